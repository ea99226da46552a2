package main

import (
	"context"
	"io"
	"time"

	"github.com/dmthin/dmthin/internal/admin"
)

func (s source) Backup(ctx context.Context, w io.Writer) error {
	i, leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	c, err := i.layers.Copy(ctx)
	if err != nil {
		return err
	}
	return admin.WriteBackup(w, admin.BackupManifest{
		Made: time.Now().UTC(), PoolID: c.PoolID, TransactionID: c.TransactionID, BaseUUID: c.BaseUUID,
	}, c.Files)
}
