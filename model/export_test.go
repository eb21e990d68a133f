package model

// SlowRecord is what DecodeRecord does without haste.
var SlowRecord = slowRecord
