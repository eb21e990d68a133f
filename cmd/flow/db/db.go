// Package db is the commands about the database.
package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/contextfile"
	"github.com/elasticcode/flow/cmd/flow/engine"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/group"
	"github.com/elasticcode/flow/store"
)

// NewCmd returns "flow db".
func NewCmd(f *factory.Factory) *cobra.Command {
	return group.New("db", "Look after the database", newInit(f), newMigrate(f), newJSON(f))
}

// options are what all commands about the database take.
type options struct {
	*factory.Factory
	url    string
	server string
}

func newCommand(f *factory.Factory, use, short, long string, run func(context.Context, *options, *store.Store) error) (*cobra.Command, *options) {
	o := &options{Factory: f}
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Args: flags.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.url == "" {
				o.url = o.Env("FLOW_DB")
			}
			if o.url == "" {
				dir, err := engine.DataDir("", o.Env)
				if err != nil {
					return err
				}
				o.url = "embedded:" + dir // the one that 'flow up' uses
			}
			db, err := engine.OpenStore(cmd.Context(), o.url)
			if err != nil {
				return err
			}
			return errors.Join(run(cmd.Context(), o, db), db.Close())
		},
	}
	cmd.Flags().StringVarP(&o.url, "db", "d", "", "URL of the database: postgres://, sqlite:FILE or embedded:DIR [FLOW_DB]; default that of 'flow up'")
	return cmd, o
}

func newInit(f *factory.Factory) *cobra.Command {
	cmd, o := newCommand(f, "init", "Make the tables, the first admin and a token for them",
		`Make the tables, the first admin and a token for them, which is kept in the
context file. Doing it again migrates the tables and makes another token.`,
		func(ctx context.Context, o *options, db *store.Store) error {
			if err := migrate(ctx, o, db); err != nil {
				return err
			}
			token, err := engine.NewAdminToken(ctx, db)
			if err != nil {
				return err
			}
			if err := contextfile.Save("", "server", contextfile.Context{Server: o.server, Token: token}); err != nil {
				return err
			}
			path, err := contextfile.Path(o.Env)
			if err != nil {
				return err
			}
			fmt.Fprintf(o.Out, "user %s has a new token, kept in %s for the server at %s\n", engine.Admin, path, o.server)
			return nil
		})
	cmd.Flags().StringVar(&o.server, "for", "http://127.0.0.1:8700", "address of the server that the token is for")
	return cmd
}

func newMigrate(f *factory.Factory) *cobra.Command {
	cmd, _ := newCommand(f, "migrate", "Bring the tables up to date", "Bring the tables up to date with this program. Data is kept.", migrate)
	return cmd
}

func migrate(ctx context.Context, o *options, db *store.Store) error {
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	current, latest, err := db.Version(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "the database is at version %d of %d\n", current, latest)
	return nil
}

func newJSON(f *factory.Factory) *cobra.Command {
	cmd, _ := newCommand(f, "json", "Write all tables as JSON",
		"Write all tables as one JSON object: a list of rows per table. Hashes of tokens and sealed credentials are left out.",
		func(ctx context.Context, o *options, db *store.Store) error { return db.Dump(ctx, o.Out) })
	return cmd
}
