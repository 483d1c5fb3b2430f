package main

import (
	"fmt"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

func secretCommand() *cobra.Command {
	c := &connection{}
	cmd := &cobra.Command{Use: "secret", Short: "Secrets: create, get, put, list, delete", Args: noVerb, RunE: help}
	c.bind(cmd)
	cmd.AddCommand(
		secretStoreCommand(c, "create NAME [FILE]", "CreateSecret", "Name", "Create a secret with the value in FILE or standard input"),
		secretStoreCommand(c, "put SECRET [FILE]", "PutSecretValue", "SecretId", "Store a new version: the value in FILE or standard input"),
		secretGetCommand(c), secretListCommand(c), secretShowCommand(c), secretDeleteCommand(c), secretRestoreCommand(c),
	)
	return cmd
}

func secretStoreCommand(c *connection, use, operation, idMember, short string) *cobra.Command {
	var key, description string
	cmd := &cobra.Command{
		Use: use, Short: short, Args: between(1, 2),
		Long: short + `.

The value is never an argument: arguments are in process lists and shell histories. Text is
stored as SecretString, anything that is not UTF-8 as SecretBinary; one line break at the end
of standard input is dropped.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			source := append(args, "-")[1]
			value, err := readInput(cmd, source)
			if err != nil {
				return err
			}
			in := map[string]any{idMember: args[0]}
			if source == "-" {
				value = []byte(strings.TrimSuffix(string(value), "\n"))
			}
			if utf8.Valid(value) {
				in["SecretString"] = string(value)
			} else {
				in["SecretBinary"] = value
			}
			if key != "" {
				in["KmsKeyId"] = key
			}
			if description != "" {
				in["Description"] = description
			}
			reply, err := c.raw(cmd.Context(), "secretsmanager", operation, in)
			if err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), reply.Body)
		},
	}
	if operation == "CreateSecret" {
		cmd.Flags().StringVar(&key, "key", "", "KMS key (default aws/secretsmanager)")
		cmd.Flags().StringVar(&description, "description", "", "what the secret is for")
	}
	return cmd
}

func secretGetCommand(c *connection) *cobra.Command {
	var version, stage string
	cmd := &cobra.Command{
		Use: "get SECRET", Short: "Print the value of a secret", Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := map[string]any{"SecretId": args[0], "VersionId": version, "VersionStage": stage}
			reply, err := c.raw(cmd.Context(), "secretsmanager", "GetSecretValue", without(in))
			if err != nil {
				return err
			}
			if c.json {
				return printJSON(cmd.OutOrStdout(), reply.Body)
			}
			var out struct {
				SecretString *string
				SecretBinary []byte
			}
			if err := unmarshal(reply.Body, &out); err != nil {
				return err
			}
			value := out.SecretBinary
			if out.SecretString != nil {
				value = []byte(*out.SecretString)
				if terminal(cmd.OutOrStdout()) {
					value = append(value, '\n')
				}
			}
			_, err = cmd.OutOrStdout().Write(value)
			return err
		},
	}
	cmd.Flags().StringVar(&version, "version-id", "", "a version by its id")
	cmd.Flags().StringVar(&stage, "stage", "", "a version by its staging label (default AWSCURRENT)")
	return cmd
}

func secretListCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "ls [NAME-PREFIX]", Short: "List secrets", Args: between(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var rows [][]string
			for token := ""; ; {
				in := map[string]any{"NextToken": token}
				if len(args) == 1 {
					in["Filters"] = []map[string]any{{"Key": "name", "Values": args}}
				}
				var page struct {
					SecretList []struct {
						Name, Description, KmsKeyId string
						LastChangedDate             float64
					}
					NextToken string
				}
				if err := c.call(cmd.Context(), "secretsmanager", "ListSecrets", without(in), &page); err != nil {
					return err
				}
				for _, s := range page.SecretList {
					key := s.KmsKeyId
					if key == "" {
						key = "aws/secretsmanager"
					}
					rows = append(rows, []string{s.Name, epoch(s.LastChangedDate), key, s.Description})
				}
				if token = page.NextToken; token == "" {
					break
				}
			}
			return c.list(cmd, []string{"NAME", "CHANGED", "KEY", "DESCRIPTION"}, rows)
		},
	}
}

func secretShowCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "show SECRET", Short: "Metadata and versions of a secret, never its value", Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			reply, err := c.raw(cmd.Context(), "secretsmanager", "DescribeSecret", map[string]string{"SecretId": args[0]})
			if err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), reply.Body)
		},
	}
}

func secretDeleteCommand(c *connection) *cobra.Command {
	var days int
	var force bool
	cmd := &cobra.Command{
		Use: "delete SECRET", Short: "Delete a secret after a window, or at once", Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := map[string]any{"SecretId": args[0]}
			if force {
				in["ForceDeleteWithoutRecovery"] = true
			} else {
				in["RecoveryWindowInDays"] = days
			}
			reply, err := c.raw(cmd.Context(), "secretsmanager", "DeleteSecret", in)
			if err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), reply.Body)
		},
	}
	cmd.Flags().IntVar(&days, "window", 30, "days in which it can be restored, 7 to 30")
	cmd.Flags().BoolVar(&force, "force", false, "destroy the value now, without a window")
	return cmd
}

func secretRestoreCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "restore SECRET", Short: "Cancel the deletion of a secret", Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			reply, err := c.raw(cmd.Context(), "secretsmanager", "RestoreSecret", map[string]string{"SecretId": args[0]})
			if err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), reply.Body)
		},
	}
}

// without drops members that are empty strings.
func without(in map[string]any) map[string]any {
	for k, v := range in {
		if v == "" {
			delete(in, k)
		}
	}
	return in
}

func epoch(seconds float64) string {
	if seconds == 0 {
		return "-"
	}
	return time.UnixMilli(int64(seconds * 1000)).UTC().Format("2006-01-02 15:04:05")
}

func readFile(name string) ([]byte, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the input: %w", err)
	}
	return b, nil
}
