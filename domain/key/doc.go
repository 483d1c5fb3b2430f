// Package key holds the state of KMS: keys with their policies, materials, tags
// and rotation, aliases, and grants, as the events of the log leave them.
//
// The room is for facts and for the rules that follow from facts alone: which
// spec goes with which usage, what a key state lets through, which grants speak
// for a principal, what falls due when. It reads no clock, makes nothing up,
// holds no plaintext key and opens no material; a Material here is only a name
// for what the keyring holds, sealed. Authorization is iam's, and deciding is
// the vault's.
package key
