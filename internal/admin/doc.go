// Package admin is how the operator's tool talks to the daemon: JSON over HTTP
// on a unix socket in the state directory, with the types both sides share.
//
// The routes, all answering JSON:
//
//	GET /v1/version        Version
//	GET /v1/status         Status
//	GET /v1/layers         LayerList
//	GET /v1/layers/{id}    Layer
//	PUT /v1/log-level      LogLevel, in and out; root only
//	POST /v1/layers        SnapshotRequest, Layer; root only, as all below
//	DELETE /v1/layers/{id} Done; ?force=true for one that others stem from
//	POST /v1/layers/{id}/hold    HoldRequest, Held
//	DELETE /v1/layers/{id}/hold  Done
//	POST /v1/check         CheckRequest, lines with CheckReport
//	POST /v1/collect       CollectRequest, lines with CollectReport
//	POST /v1/trim          TrimRequest, lines with TrimReport
//	POST /v1/resize        ResizeRequest, lines with ResizeReport
//	GET /v1/backup         a tar of the records
//	GET /healthz           the process answers
//	GET /readyz            200 when layers can be made and mounted, else 503
//
// A failure is a status code and an [ErrorBody].
//
// "Lines" is the answer of work that may take long: one JSON object a line,
// {"progress": TEXT} any number of times and {"result": …} or an ErrorBody last.
// The daemon adds routes of its own with [Server.Handle].
//
// Compatibility: a tool and a daemon of different releases must understand each
// other, so keys are only ever added, and neither their meaning nor their unit
// changes. Sizes are bytes. Every key is always present.
//
// What the answers say is decided elsewhere: the daemon implements [Source].
// Nothing here knows device-mapper, layers' rules or Docker.
package admin
