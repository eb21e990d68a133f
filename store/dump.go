package store

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"sync"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"
)

// rows is a value of each row type, in the order of the tables in a dump.
func rows() []any {
	return []any{
		&networkRow{}, &userRow{}, &tokenRow{}, &queueRow{}, &processorRow{}, &credentialRow{}, &taskRow{}, &argumentRow{},
		&socketRow{}, &plugRow{}, &nodeRow{}, &agentRow{}, &deploymentRow{}, &workerRow{},
		&callRow{}, &parentRow{}, &logRow{}, &eventRow{}, &arrivalRow{}, &firedRow{},
		&cancelRow{}, &deadRow{}, &redriveRow{}, &blobRow{}, &callBlobRow{},
	}
}

// secret is the columns that never leave the database.
var secret = map[string]bool{"hash": true, "sealed": true}

// Dump writes all tables as one JSON object, {"table": [row, …], …}, as they
// were at one moment, without hashes of tokens and without credentials.
func (s *Store) Dump(ctx context.Context, w io.Writer) error {
	out := bufio.NewWriter(w)
	err := s.read.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		for i, r := range rows() {
			open := ",\n"
			if i == 0 {
				open = "{\n"
			}
			if _, err := out.WriteString(open); err != nil {
				return err
			}
			if err := dumpTable(tx, out, r); err != nil {
				return err
			}
		}
		_, err := out.WriteString("\n}\n")
		return err
	}, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err == nil {
		err = out.Flush()
	}
	return s.fail(ctx, "dump the database", err)
}

func dumpTable(tx *gorm.DB, out *bufio.Writer, r any) error {
	table, err := schema.Parse(r, &sync.Map{}, tx.NamingStrategy)
	if err != nil {
		return err
	}
	var columns []*schema.Field
	var names []string
	for _, f := range table.Fields {
		if f.DBName != "" && !secret[f.DBName] {
			columns, names = append(columns, f), append(names, f.DBName)
		}
	}
	fmt.Fprintf(out, "%q: [", table.Table)
	found, err := tx.Model(r).Select(names).Order(table.PrimaryFieldDBNames[0]).Rows()
	if err != nil {
		return fmt.Errorf("read %s: %w", table.Table, err)
	}
	defer func() { _ = found.Close() }()
	for n := 0; found.Next(); n++ {
		into := make([]any, len(columns))
		for i, f := range columns {
			into[i] = reflect.New(f.FieldType).Interface()
		}
		if err := found.Scan(into...); err != nil {
			return fmt.Errorf("read %s: %w", table.Table, err)
		}
		if n > 0 {
			_, _ = out.WriteString(",") // a failed write is met again by Flush
		}
		if err := dumpRow(out, names, into); err != nil {
			return fmt.Errorf("write %s: %w", table.Table, err)
		}
	}
	_, err = out.WriteString("]")
	if err == nil {
		err = found.Err()
	}
	return err
}

func dumpRow(out *bufio.Writer, names []string, values []any) error {
	for i, name := range names {
		open := ", "
		if i == 0 {
			open = "\n  {"
		}
		v, err := json.Marshal(values[i])
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s%q: %s", open, name, v)
	}
	_, err := out.WriteString("}")
	return err
}
