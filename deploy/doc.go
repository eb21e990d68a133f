// Package deploy checks the files that Flow is deployed with: its test loads
// docker-compose.yml with the Compose project's own library.
package deploy
