package store

import "context"

// AutoMigrate makes the schema that gorm would make of the row types.
func (s *Store) AutoMigrate() error {
	all := rows()
	if _, ok := s.driver.(StateKeeper); ok {
		all = append(all, &stateRow{})
	}
	return s.write.AutoMigrate(all...)
}

// Query returns the rows of a query as text.
func (s *Store) Query(ctx context.Context, query string) ([]string, error) {
	var out []string
	err := s.write.WithContext(ctx).Raw(query).Scan(&out).Error
	return out, err
}

// Exec runs a statement.
func (s *Store) Exec(ctx context.Context, statement string) error {
	return s.write.WithContext(ctx).Exec(statement).Error
}

// Prepare makes the schema that the tables go to.
func (s *Store) Prepare(ctx context.Context) error {
	db, err := s.write.DB()
	if err != nil {
		return err
	}
	return s.driver.Prepare(ctx, db)
}

// Closest and Distance are what suggestions come from.
var (
	Closest  = closest
	Distance = distance
)
