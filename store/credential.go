package store

import (
	"context"

	"gorm.io/gorm/clause"
)

type credentialRow struct {
	ProcessorID string `gorm:"primaryKey"`
	Sealed      []byte `gorm:"not null"`
}

// TableName implements gorm's Tabler.
func (credentialRow) TableName() string { return "credentials" }

// SetCredential keeps the sealed credential of a processor's repository;
// nothing removes it.
func (s *Store) SetCredential(ctx context.Context, processorID string, sealed []byte) error {
	db := s.write.WithContext(ctx)
	if len(sealed) == 0 {
		return s.fail(ctx, "remove credential", db.Where("processor_id = ?", processorID).Delete(&credentialRow{}).Error)
	}
	err := db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&credentialRow{processorID, sealed}).Error
	return s.fail(ctx, "keep credential", err)
}

// Credential returns the sealed credential of a processor's repository, nil
// when it has none.
func (s *Store) Credential(ctx context.Context, processorID string) ([]byte, error) {
	var rows []credentialRow
	err := s.read.WithContext(ctx).Where("processor_id = ?", processorID).Find(&rows).Error
	if err != nil || len(rows) == 0 {
		return nil, s.fail(ctx, "get credential", err)
	}
	return rows[0].Sealed, nil
}
