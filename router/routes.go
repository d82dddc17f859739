package router

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/livepipe/livepipe/messages"
)

// Binding is one worker: the event types that its queue takes in, and what it does with them.
type Binding struct {
	Worker string
	Types  []messages.Type
	Does   string
}

// Table is the whole route table. Each worker has one durable queue of its own, so that one that is slow, stopped or
// added later never holds another up.
func Table() []Binding {
	return []Binding{
		{"history", []messages.Type{
			messages.TypeMessageReceived, messages.TypeMediaUploaded, messages.TypeMessageUpdated, messages.TypeMessageDeleted,
			messages.TypeConversationUpdated,
		}, "writes the conversation"},
		{"delivery", []messages.Type{messages.TypeDeliveryUpdated, messages.TypeMessagesSeen}, "keeps how far messages have got"},
		// An upload is a message of the conversation too, so that rules may send it on. The event describes the file;
		// its bytes stay unreadable until the media worker has released them. Unknown events come only where a rule of the
		// process that receives them asks for one.
		{"routing", []messages.Type{
			messages.TypeMessageReceived, messages.TypeMediaUploaded, messages.TypeMessageUpdated, messages.TypeMessageDeleted,
			messages.TypeConversationUpdated, messages.TypeAccountUpdated, messages.TypeUnknownReceived,
		}, "chooses destinations by the rules"},
		{"dispatch", []messages.Type{messages.TypeDispatchRequested}, "delivers to one destination"},
		{"media", []messages.Type{messages.TypeMediaUploaded}, "makes an upload safe and useful"},
	}
}

// Select picks the named workers out of the table, in the table's order; no name at all picks every one.
func Select(names ...string) ([]Binding, error) {
	table := Table()
	if len(names) == 0 {
		return table, nil
	}
	wanted := make(map[string]bool, len(names))
	for _, name := range names {
		wanted[strings.TrimSpace(name)] = true
	}
	var picked []Binding
	var known []string
	for _, b := range table {
		known = append(known, b.Worker)
		if wanted[b.Worker] {
			picked = append(picked, b)
			delete(wanted, b.Worker)
		}
	}
	for _, name := range names {
		if name = strings.TrimSpace(name); wanted[name] {
			return nil, fmt.Errorf("unknown worker %q: known are %s", name, strings.Join(known, ", "))
		}
	}
	return picked, nil
}

// Print writes bindings as aligned text, one line for each event type.
func Print(w io.Writer, bindings []Binding) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "WORKER\tEVENT\tTOPIC\tWHAT THE WORKER DOES")
	for _, b := range bindings {
		for _, t := range b.Types {
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", b.Worker, t, t.Topic(), b.Does)
		}
	}
	if err := tw.Flush(); err != nil {
		return fmt.Errorf("print routes: %w", err)
	}
	return nil
}
