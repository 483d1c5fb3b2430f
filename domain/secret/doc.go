// Package secret holds the state of Secrets Manager: secrets with their versions,
// staging labels, tags and resource policies, as the events of the log leave them.
//
// The room is for facts and for the rules that follow from facts alone: what a
// SecretId names, which version carries a label, what falls due when. It reads no
// clock, makes nothing up, and never sees a value or a data key: a version here is
// a ciphertext and the names under which the keyring holds its wrapped data key.
// Authorization is iam's, and deciding is the vault's.
package secret
