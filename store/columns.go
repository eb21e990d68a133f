package store

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"
)

// TimeLayout is how times are written as text. It has a fixed width, so that they
// compare as text on SQLite.
const TimeLayout = "2006-01-02T15:04:05.000000Z"

// stamp is a time in UTC with microseconds: timestamptz on PostgreSQL, text on
// SQLite.
type stamp time.Time

// endOfTime is the last time that a stamp has.
var endOfTime = time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)

// now is the present, as exact as the database keeps it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func (s stamp) time() time.Time { return time.Time(s).UTC().Truncate(time.Microsecond) }

// kept returns the time as databases keep it. Years that PostgreSQL and four
// digits do not have become the nearest that they have.
func (s stamp) kept() time.Time {
	t := s.time()
	switch {
	case t.Year() < 1:
		return time.Time{}
	case t.Year() > 9999:
		return endOfTime
	}
	return t
}

// String returns the time with a fixed width.
func (s stamp) String() string { return s.kept().Format(TimeLayout) }

// Value implements driver.Valuer.
func (s stamp) Value() (driver.Value, error) { return s.String(), nil }

// Scan implements sql.Scanner.
func (s *stamp) Scan(v any) error {
	switch v := v.(type) {
	case time.Time:
		*s = stamp(v.UTC())
	case string:
		t, err := time.Parse(TimeLayout, v)
		if err != nil {
			return fmt.Errorf("read time %q: %w", v, err)
		}
		*s = stamp(t)
	default:
		return fmt.Errorf("read time: unexpected %T", v)
	}
	return nil
}

// GormDBDataType implements gorm's migrator interface, for the drift test.
func (stamp) GormDBDataType(db *gorm.DB, _ *schema.Field) string {
	if db.Name() == "postgres" {
		return "timestamptz"
	}
	return "text"
}

func stampOf(t *time.Time) *stamp {
	if t == nil {
		return nil
	}
	s := stamp(*t)
	return &s
}

func timeOf(s *stamp) *time.Time {
	if s == nil {
		return nil
	}
	t := s.time()
	return &t
}

// document is a JSON value kept as text, exactly as it came: jsonb would
// reorder keys, change numbers and refuse strings with a zero character.
type document []byte

// Value implements driver.Valuer.
func (d document) Value() (driver.Value, error) {
	if d == nil {
		return nil, nil
	}
	return string(d), nil
}

// Scan implements sql.Scanner.
func (d *document) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*d = nil
	case string:
		*d = document(v)
	case []byte:
		*d = append(document(nil), v...)
	default:
		return fmt.Errorf("read JSON: unexpected %T", v)
	}
	return nil
}

// GormDataType implements gorm's schema interface, for the drift test.
func (document) GormDataType() string { return "text" }

// encode returns v as a document, nil for what is null. It leaves "<", "&" and
// ">" as they are.
func encode(v any) document {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil { // only a JSON value that is none, and those are turned away before
		return nil
	}
	out := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if string(out) == "null" {
		return nil
	}
	return out
}

// decode reads a document into v; nothing leaves v as it is.
func decode(d document, v any) error {
	if len(d) == 0 {
		return nil
	}
	if err := json.Unmarshal(d, v); err != nil {
		return fmt.Errorf("read stored JSON: %w", err)
	}
	return nil
}

// MarshalJSON writes the time as a dump shows it.
func (s stamp) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// MarshalJSON writes the value itself, null for none.
func (d document) MarshalJSON() ([]byte, error) {
	if d == nil {
		return []byte("null"), nil
	}
	return d, nil
}
