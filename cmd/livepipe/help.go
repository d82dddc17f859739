package main

import (
	"fmt"

	"github.com/alecthomas/kong"
)

// help is kong's own, and at the top level the settings of serve as well, so that `livepipe --help` is the whole
// reference.
func help(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil || ctx.Selected() != nil {
		return err
	}
	for _, command := range ctx.Model.Children {
		if command.Name == "serve" {
			return printFlags(ctx, command)
		}
	}
	return nil
}

// printFlags prints each flag with its environment variable, its default and what it is for.
func printFlags(ctx *kong.Context, command *kong.Node) error {
	fmt.Fprint(ctx.Stdout, "\nSettings of serve, as flags or in the environment (other commands take those that concern them):\n")
	for _, flag := range command.Flags {
		if len(flag.Envs) > 0 {
			fmt.Fprintf(ctx.Stdout, "  --%s  %s=%s\n      %s\n", flag.Name, flag.Envs[0], flag.Default, flag.Help)
		}
	}
	return nil
}
