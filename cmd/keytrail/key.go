package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// keyMetadata is what people are shown of DescribeKey's answer.
type keyMetadata struct {
	KeyMetadata struct {
		KeyId, Arn, KeyState, KeySpec, KeyUsage, KeyManager, Origin, Description string
		CreationDate, DeletionDate                                               float64
	}
}

func keyCommand() *cobra.Command {
	c := &connection{}
	cmd := &cobra.Command{Use: "key", Short: "KMS keys: create, list, encrypt, rotate, delete", Args: noVerb, RunE: help}
	c.bind(cmd)
	cmd.AddCommand(
		keyCreateCommand(c), keyListCommand(c), keyShowCommand(c), keyEncryptCommand(c), keyDecryptCommand(c),
		keyVerb(c, "enable", "EnableKey", "Let the key be used again"),
		keyVerb(c, "disable", "DisableKey", "Stop every use of the key; it can be enabled again"),
		keyVerb(c, "rotate", "RotateKeyOnDemand", "New key material from now on; what older material encrypted stays readable"),
		keyDeleteCommand(c),
		keyVerb(c, "cancel-deletion", "CancelKeyDeletion", "Keep a key whose deletion is scheduled; it comes back disabled"),
	)
	return cmd
}

// noVerb explains a group of verbs that was called without a known one.
func noVerb(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s has no verb %q", cmd.CommandPath(), args[0])
	}
	return nil
}

func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }

func keyVerb(c *connection, verb, operation, short string) *cobra.Command {
	return &cobra.Command{
		Use: verb + " KEY", Short: short, Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := c.keyID(cmd, args[0])
			if err != nil {
				return err
			}
			reply, err := c.raw(cmd.Context(), "kms", operation, map[string]string{"KeyId": id})
			if err != nil {
				return err
			}
			if c.json || !terminal(cmd.OutOrStdout()) {
				return printJSON(cmd.OutOrStdout(), reply.Body)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s: done, record n=%d\n", operation, id, reply.N)
			return err
		},
	}
}

// keyID resolves an alias to its key id, for the operations that take no alias.
func (c *connection) keyID(cmd *cobra.Command, key string) (string, error) {
	if !strings.Contains(key, "alias/") {
		return key, nil
	}
	var k keyMetadata
	err := c.call(cmd.Context(), "kms", "DescribeKey", map[string]string{"KeyId": key}, &k)
	return k.KeyMetadata.KeyId, err
}

func keyCreateCommand(c *connection) *cobra.Command {
	var description, alias, policyFile string
	cmd := &cobra.Command{
		Use: "create", Short: "Create a symmetric key", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			in := map[string]string{"Description": description}
			if policyFile != "" {
				policy, err := readInput(cmd, policyFile)
				if err != nil {
					return err
				}
				in["Policy"] = string(policy)
			}
			var k keyMetadata
			if err := c.call(cmd.Context(), "kms", "CreateKey", in, &k); err != nil {
				return err
			}
			if alias != "" {
				name := "alias/" + strings.TrimPrefix(alias, "alias/")
				if err := c.call(cmd.Context(), "kms", "CreateAlias", map[string]string{"AliasName": name, "TargetKeyId": k.KeyMetadata.KeyId}, nil); err != nil {
					return fmt.Errorf("the key %s was created, its alias was not: %w", k.KeyMetadata.Arn, err)
				}
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), k.KeyMetadata.Arn)
			return err
		},
	}
	cmd.Flags().StringVar(&description, "description", "", "what the key is for")
	cmd.Flags().StringVar(&alias, "alias", "", "a name for the key")
	cmd.Flags().StringVar(&policyFile, "policy", "", "file with the key policy, - for standard input (default: the account may delegate by IAM policies)")
	return cmd
}

func keyListCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "List the keys of the account", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			names, err := c.aliases(cmd)
			if err != nil {
				return err
			}
			var rows [][]string
			for marker := ""; ; {
				var page struct {
					Keys       []struct{ KeyId string }
					NextMarker string
				}
				if err := c.call(cmd.Context(), "kms", "ListKeys", without(map[string]any{"Marker": marker}), &page); err != nil {
					return err
				}
				for _, k := range page.Keys {
					var m keyMetadata
					if err := c.call(cmd.Context(), "kms", "DescribeKey", map[string]string{"KeyId": k.KeyId}, &m); err != nil {
						rows = append(rows, []string{k.KeyId, "-", "-", names[k.KeyId], err.Error()})
						continue
					}
					d := m.KeyMetadata
					rows = append(rows, []string{d.KeyId, d.KeyState, d.KeyManager, names[k.KeyId], d.Description})
				}
				if marker = page.NextMarker; marker == "" {
					break
				}
			}
			return c.list(cmd, []string{"KEY", "STATE", "MANAGER", "ALIAS", "DESCRIPTION"}, rows)
		},
	}
}

func (c *connection) aliases(cmd *cobra.Command) (map[string]string, error) {
	names := map[string]string{}
	for marker := ""; ; {
		var page struct {
			Aliases    []struct{ AliasName, TargetKeyId string }
			NextMarker string
		}
		if err := c.call(cmd.Context(), "kms", "ListAliases", without(map[string]any{"Marker": marker}), &page); err != nil {
			return nil, err
		}
		for _, a := range page.Aliases {
			names[a.TargetKeyId] = strings.TrimPrefix(names[a.TargetKeyId]+","+strings.TrimPrefix(a.AliasName, "alias/"), ",")
		}
		if marker = page.NextMarker; marker == "" {
			return names, nil
		}
	}
}

func keyShowCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "show KEY", Short: "Metadata and policy of a key", Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			reply, err := c.raw(cmd.Context(), "kms", "DescribeKey", map[string]string{"KeyId": args[0]})
			if err != nil {
				return err
			}
			if err := printJSON(cmd.OutOrStdout(), reply.Body); err != nil {
				return err
			}
			id, err := c.keyID(cmd, args[0])
			if err != nil {
				return err
			}
			var policy struct{ Policy string }
			if err := c.call(cmd.Context(), "kms", "GetKeyPolicy", map[string]string{"KeyId": id, "PolicyName": "default"}, &policy); err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), []byte(policy.Policy))
		},
	}
}

func keyEncryptCommand(c *connection) *cobra.Command {
	var context map[string]string
	cmd := &cobra.Command{
		Use: "encrypt KEY [FILE]", Short: "Encrypt up to 4,096 bytes of standard input or FILE; prints the blob in base64", Args: between(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			plaintext, err := readInput(cmd, append(args, "-")[1])
			if err != nil {
				return err
			}
			var out struct{ CiphertextBlob string }
			in := map[string]any{"KeyId": args[0], "Plaintext": plaintext}
			if len(context) > 0 {
				in["EncryptionContext"] = context
			}
			if err := c.call(cmd.Context(), "kms", "Encrypt", in, &out); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), out.CiphertextBlob)
			return err
		},
	}
	cmd.Flags().StringToStringVar(&context, "context", nil, "encryption context, k=v,k=v")
	return cmd
}

func keyDecryptCommand(c *connection) *cobra.Command {
	var context map[string]string
	cmd := &cobra.Command{
		Use: "decrypt [FILE]", Short: "Decrypt a base64 blob from standard input or FILE; the key is found from the blob", Args: between(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			blob, err := readInput(cmd, append(args, "-")[0])
			if err != nil {
				return err
			}
			in := map[string]any{"CiphertextBlob": strings.TrimSpace(string(blob))}
			if len(context) > 0 {
				in["EncryptionContext"] = context
			}
			var out struct{ Plaintext []byte }
			if err := c.call(cmd.Context(), "kms", "Decrypt", in, &out); err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(out.Plaintext)
			return err
		},
	}
	cmd.Flags().StringToStringVar(&context, "context", nil, "encryption context, k=v,k=v")
	return cmd
}

func keyDeleteCommand(c *connection) *cobra.Command {
	var days int
	cmd := &cobra.Command{
		Use: "delete KEY", Short: "Schedule the destruction of the key's material; what it encrypted is lost then", Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := c.keyID(cmd, args[0])
			if err != nil {
				return err
			}
			reply, err := c.raw(cmd.Context(), "kms", "ScheduleKeyDeletion", map[string]any{"KeyId": id, "PendingWindowInDays": days})
			if err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), reply.Body)
		},
	}
	cmd.Flags().IntVar(&days, "window", 30, "days until the material is destroyed, 7 to 30")
	return cmd
}

// readInput reads a file, or standard input for "-".
func readInput(cmd *cobra.Command, name string) ([]byte, error) {
	if name == "-" {
		b, err := io.ReadAll(cmd.InOrStdin())
		if err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
		return b, nil
	}
	return readFile(name)
}
