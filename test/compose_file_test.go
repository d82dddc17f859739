package test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// The compose file as compose itself reads it. test/compose.sh brings it up where there is Docker.

func composeProject(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../docker-compose.yml"}, cli.WithName("livepipe"))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestComposeFileIsSafeByDefault(t *testing.T) {
	fixed := regexp.MustCompile(`:[0-9]+\.[0-9]+[0-9a-z.-]*$`)
	for name, s := range composeProject(t).Services {
		if s.Image != "livepipe:local" && !fixed.MatchString(s.Image) {
			t.Errorf("%s: the image %q names no release", name, s.Image)
		}
		for _, p := range s.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %d is open to %q", name, p.Target, p.HostIP)
			}
		}
		if s.HealthCheck == nil && s.Image != "livepipe:local" { // ours has one in its Dockerfile
			t.Errorf("%s: no health check", name)
		}
		if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s: may gain privileges", name)
		}
		if s.Image == "livepipe:local" && (!s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || s.Privileged) {
			t.Errorf("%s: a root file system that can be written, or capabilities", name)
		}
	}
}

func TestComposeFileRunsEveryWorkerAlone(t *testing.T) {
	project := composeProject(t)
	commands := map[string][]string{"ingress": {"ingress"}, "provision": {"provision"}}
	for _, worker := range []string{"history", "delivery", "routing", "dispatch", "media"} {
		commands["router-"+worker] = []string{"router", "--workers=" + worker}
	}
	for name, command := range commands {
		s, ok := project.Services[name]
		if !ok {
			t.Errorf("no service %s", name)
			continue
		}
		if !slices.Equal(s.Command, command) || s.ContainerName != "" {
			t.Errorf("%s runs %q as %q: cannot be scaled", name, s.Command, s.ContainerName)
		}
		waits := map[string]string{"provision": types.ServiceConditionCompletedSuccessfully}
		if name == "provision" {
			waits = map[string]string{"localstack": types.ServiceConditionHealthy, "postgres": types.ServiceConditionHealthy}
		}
		for on, condition := range waits {
			if s.DependsOn[on].Condition != condition {
				t.Errorf("%s waits for %s until %q, want %q", name, on, s.DependsOn[on].Condition, condition)
			}
		}
	}
	if len(project.Services) != len(commands)+2 {
		t.Errorf("%d services, want %d, localstack and postgres", len(project.Services), len(commands))
	}
}

// A setting that livepipe does not know would be ignored without a word.
func TestComposeFileNamesRealSettings(t *testing.T) {
	ingress, _, _ := command(t, nil, "ingress", "--help")
	router, _, _ := command(t, nil, "router", "--help")
	for name, s := range composeProject(t).Services {
		for key := range s.Environment {
			if strings.HasPrefix(key, "LIVEPIPE_") && !strings.Contains(ingress+router, "$"+key) {
				t.Errorf("%s: no setting %s", name, key)
			}
		}
	}
}

// The image must be built by the Go of go.mod, and hold what runs as nobody.
func TestDockerfile(t *testing.T) {
	dockerfile, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^(?:toolchain go|go )([0-9]+\.[0-9]+\.[0-9]+)$`).FindSubmatch(mod)
	if version == nil {
		t.Fatal("go.mod names no release of Go")
	}
	for _, want := range []string{
		"FROM --platform=$BUILDPLATFORM golang:" + string(version[1]) + "-alpine AS build\n",
		"\nFROM scratch\n", "\nUSER 65532:65532\n", "\nHEALTHCHECK ", `ENTRYPOINT ["/livepipe"]`,
	} {
		if !strings.Contains(string(dockerfile), want) {
			t.Errorf("no %q", want)
		}
	}
}
