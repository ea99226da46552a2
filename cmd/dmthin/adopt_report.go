package main

import (
	"fmt"

	"github.com/dmthin/dmthin/internal/takeover"
)

// takeoverReport answers `adopt` and `release`.
type takeoverReport struct {
	Operation     string            `json:"operation"` // "adopt", "undo", "commit" or "release"
	DataRoot      string            `json:"data_root"`
	Docker        string            `json:"docker"` // the installed release
	PoolKind      string            `json:"pool_kind"`
	Pool          string            `json:"pool"` // file, device or device-mapper name
	Filesystem    string            `json:"filesystem"`
	TransactionID uint64            `json:"transaction_id"`
	Layers        int               `json:"layers"` // records, the base device's among them
	Devices       int               `json:"devices"`
	Images        int               `json:"images"`
	Containers    int               `json:"containers"`
	Findings      []takeoverFinding `json:"findings"`
	Notes         []string          `json:"notes"`
	Steps         []string          `json:"steps"`   // what is done, or would be
	Resumed       bool              `json:"resumed"` // it goes on with what was cut short
	Done          bool              `json:"done"`
}

type takeoverFinding struct {
	Name    string `json:"name"` // for --accept-loss
	Message string `json:"message"`
	Fatal   bool   `json:"fatal"` // it can't be accepted
}

func takeoverOf(operation string, p takeover.Plan) takeoverReport {
	r := takeoverReport{
		Operation: operation, DataRoot: p.Root, Docker: p.Docker, PoolKind: string(p.Pool), Pool: p.PoolAt, Filesystem: p.Filesystem,
		TransactionID: p.TransactionID, Layers: p.Layers, Devices: p.Devices, Images: p.Images, Containers: p.Containers,
		Findings: []takeoverFinding{}, Notes: append([]string{}, p.Notes...), Steps: append([]string{}, p.Steps...), Resumed: p.Resumed,
	}
	for _, f := range p.Findings {
		r.Findings = append(r.Findings, takeoverFinding{f.Name, f.Message, f.Fatal})
	}
	return r
}

// takeoverResults say what is next.
var takeoverResults = map[string]string{
	"adopt":   "adopted; start dmthin, then docker; dmthin adopt --commit once all works, dmthin adopt --undo to go back",
	"undo":    "it is Docker's driver's again, as before; start docker",
	"release": "it is Docker's driver's; start docker, of release 24 or earlier",
	"commit":  "the backups are gone; dmthin release is the way back from now on",
}

func takeoverTable(c *columns, r takeoverReport) {
	c.field("Data-root", printable(r.DataRoot))
	c.field("Docker", printable(r.Docker))
	if r.PoolKind != "" {
		c.field("Pool", fmt.Sprintf("%s, %s", r.PoolKind, printable(r.Pool)))
		c.field("Filesystem", r.Filesystem)
		c.field("Transaction ID", fmt.Sprint(r.TransactionID))
		c.field("Records", fmt.Sprint(r.Layers))
		c.field("Devices in the pool", fmt.Sprint(r.Devices))
		c.field("Images", fmt.Sprint(r.Images))
		c.field("Containers", fmt.Sprint(r.Containers))
	}
	var found []string
	for _, f := range r.Findings {
		found = append(found, printable(f.Name)+": "+f.Message)
	}
	c.list("Wrong", found)
	c.list("Note", r.Notes)
	switch {
	case r.Done:
		c.field("Result", takeoverResults[r.Operation])
	case r.Resumed:
		c.field("To do", "finish what was cut short")
		c.list("Steps", r.Steps)
	default:
		c.list("To do", r.Steps)
	}
}
