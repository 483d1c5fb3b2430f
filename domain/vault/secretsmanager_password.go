package vault

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keytrail/keytrail/domain/fault"
)

func init() { define("secretsmanager", "GetRandomPassword", use, getRandomPassword) }

// The types of characters of a password. A space belongs to none.
const (
	lowercase   = "abcdefghijklmnopqrstuvwxyz"
	uppercase   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	numbers     = "0123456789"
	punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
)

// GetRandomPasswordInput is the request of secretsmanager:GetRandomPassword.
type GetRandomPasswordInput struct {
	PasswordLength          int    `json:"PasswordLength" aws:"min=1,max=4096"`
	ExcludeCharacters       string `json:"ExcludeCharacters" aws:"max=4096"`
	ExcludeNumbers          bool   `json:"ExcludeNumbers"`
	ExcludePunctuation      bool   `json:"ExcludePunctuation"`
	ExcludeUppercase        bool   `json:"ExcludeUppercase"`
	ExcludeLowercase        bool   `json:"ExcludeLowercase"`
	IncludeSpace            bool   `json:"IncludeSpace"`
	RequireEachIncludedType *bool  `json:"RequireEachIncludedType"`
}

// GetRandomPasswordOutput is the reply of secretsmanager:GetRandomPassword. The
// password is in no record.
type GetRandomPasswordOutput struct{ password []byte }

// AppendJSON appends the reply, growing dst once and first.
func (o *GetRandomPasswordOutput) AppendJSON(dst []byte) []byte {
	dst = slices.Grow(dst, escapedSize(o.password)+32)
	return append(appendText(append(dst, `{"RandomPassword":`...), o.password), '}')
}

func (o *GetRandomPasswordOutput) wipe() { clear(o.password) }

// maxAttempts bounds the search for a password that has every required type. The
// least likely request (four characters, two types of one character each) succeeds
// about once in 500 attempts.
const maxAttempts = 1 << 16

// getRandomPassword draws passwords from all that fit the alphabet until one has
// every required type, so that each password that fits is as likely as any other.
func getRandomPassword(c *call, in *GetRandomPasswordInput) (*GetRandomPasswordOutput, error) {
	if err := c.authorize("secretsmanager:GetRandomPassword", plain("*")); err != nil {
		return nil, err
	}
	length := in.PasswordLength
	if length == 0 {
		length = 32
	}
	alphabet, types := in.alphabet()
	switch {
	case alphabet == "":
		return nil, fault.New(fault.InvalidRequestException, "No characters are left for the password after the exclusions.")
	case in.RequireEachIncludedType != nil && !*in.RequireEachIncludedType:
		types = nil
	case length < len(types):
		return nil, invalid("Password length is too short based on required types.")
	}
	password := make([]byte, length)
	for range maxAttempts {
		for i := range password {
			n, err := below(c.env.Entropy, len(alphabet))
			if err != nil {
				clear(password)
				return nil, secretsInternal(fmt.Errorf("draw a password: %w", err))
			}
			password[i] = alphabet[n]
		}
		if hasEachType(password, types) {
			return &GetRandomPasswordOutput{password: password}, nil
		}
	}
	clear(password)
	return nil, secretsInternal(fmt.Errorf("no password had every type after %d attempts", maxAttempts))
}

// alphabet is all characters that a password may have, and the types among them that
// have any left. A type that is wholly excluded is no longer included.
func (in *GetRandomPasswordInput) alphabet() (alphabet string, types []string) {
	for _, t := range []struct {
		characters string
		excluded   bool
	}{
		{lowercase, in.ExcludeLowercase}, {uppercase, in.ExcludeUppercase},
		{numbers, in.ExcludeNumbers}, {punctuation, in.ExcludePunctuation},
	} {
		left := without(t.characters, in.ExcludeCharacters)
		if t.excluded || left == "" {
			continue
		}
		types = append(types, left)
		alphabet += left
	}
	if in.IncludeSpace {
		alphabet += without(" ", in.ExcludeCharacters)
	}
	return alphabet, types
}

func without(characters, excluded string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(excluded, r) {
			return -1
		}
		return r
	}, characters)
}

func hasEachType(password []byte, types []string) bool {
	for _, t := range types {
		if !slices.ContainsFunc(password, func(c byte) bool { return strings.IndexByte(t, c) >= 0 }) {
			return false
		}
	}
	return true
}
