package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/dmthin/dmthin/internal/crowd"
)

// What whoever reaches the metrics address can have the daemon keep. Anybody may:
// there is no password.
const (
	scrapers         = 64
	scrapeHeader     = 16 << 10
	scrapeReadTime   = 10 * time.Second
	scrapeAnswerTime = time.Minute
	scrapeIdleTime   = 5 * time.Minute // longer than most intervals of scraping
)

// serveMetrics answers /metrics, /healthz and /readyz on a TCP address until
// ctx ends.
func (d *driver) serveMetrics(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", d.metrics.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { answer(w, source{d}.Healthy(r.Context())) })
	server := &http.Server{
		Handler: mux, MaxHeaderBytes: scrapeHeader,
		ReadTimeout: scrapeReadTime, WriteTimeout: scrapeAnswerTime, IdleTimeout: scrapeIdleTime,
	}
	crowd.Limit(server, scrapers)
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // nobody is owed a scrape
	defer stop()
	err := server.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// answer is a probe's: the status says all, the text is for people.
func answer(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ok\n")) // whoever hung up needs no answer
}
