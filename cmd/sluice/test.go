package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func testCommand() *cobra.Command {
	return &cobra.Command{Use: "test", RunE: func(*cobra.Command, []string) error { return fmt.Errorf("pending") }}
}
