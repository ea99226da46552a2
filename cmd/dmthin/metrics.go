package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
)

func newMetricsCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "metrics",
		Short: "Print the daemon's metrics",
		Long: `Print the daemon's metrics in Prometheus' text format, as /metrics on the admin
socket has them. With --format json they are one string.`,
		Example: `  dmthin metrics

  # For the node exporter's textfile collector
  dmthin metrics > metrics.prom`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var text bytes.Buffer
			if err := a.client().Metrics(cmd.Context(), &text); err != nil {
				return err
			}
			if a.format == formatJSON {
				return json.NewEncoder(a.out).Encode(map[string]string{"metrics": text.String()})
			}
			if _, err := text.WriteTo(a.out); err != nil {
				return fmt.Errorf("print metrics: %w", err)
			}
			return nil
		},
	}
}
