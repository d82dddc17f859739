package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
)

// sendCmd is a newcomer's first minute without curl.
type sendCmd struct {
	Files []string `arg:"" name:"file" help:"Sample events, such as examples/*.json: {\"path\": ..., \"body\": ...}." type:"existingfile"`
	URL   string   `default:"http://127.0.0.1:8080" env:"LIVEPIPE_URL" help:"A running ingress."`
	Token string   `env:"LIVEPIPE_TOKEN" help:"Bearer token of an account, when the ingress wants one."`
}

// sample is a file of examples/: one request.
type sample struct {
	Path string         `json:"path"` // with its query
	Body jsontext.Value `json:"body"`
}

// Run posts each file in turn.
func (c *sendCmd) Run(ctx context.Context, std settings.Streams) error {
	client := &http.Client{Timeout: 30 * time.Second}
	refused := 0
	for _, file := range c.Files {
		ok, err := c.send(ctx, std, client, file)
		if err != nil {
			return err
		}
		if !ok {
			refused++
		}
	}
	if refused > 0 {
		return fmt.Errorf("%d of %d were refused", refused, len(c.Files))
	}
	return nil
}

func (c *sendCmd) send(ctx context.Context, std settings.Streams, client *http.Client, file string) (bool, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return false, fmt.Errorf("read sample: %w", err)
	}
	var s sample
	if err := json.Unmarshal(raw, &s); err != nil || s.Path == "" {
		return false, fmt.Errorf("%s is not a sample: want {\"path\": \"/livechat/...\", \"body\": {...}}", file)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.URL, "/")+s.Path, bytes.NewReader(s.Body))
	if err != nil {
		return false, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return false, fmt.Errorf("no answer from %s: is `livepipe serve` running? (%w)", c.URL, errors.Unwrap(err))
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20)) // a page of history at most
	if err != nil {
		return false, fmt.Errorf("read answer: %w", err)
	}
	fmt.Fprintf(std.Out, "%s\n  POST %s\n  %s\n  %s\n", file, s.Path, resp.Status, bytes.TrimSpace(answer))
	return resp.StatusCode == http.StatusOK, nil
}
