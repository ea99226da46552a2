// Package plugin serves Docker's graphdriver protocol, version 1.0, over HTTP
// on a unix socket: the routes, the JSON types, and the rules for streams and
// errors. It knows what dockerd sends and expects. It knows nothing of
// device-mapper, layers on disk or options: whatever implements Driver does
// that work.
package plugin
