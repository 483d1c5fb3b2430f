package fault

import "net/http"

// Code is an AWS error code as it goes over the wire, for example
// "NotFoundException" (KMS) or "NoSuchEntity" (IAM).
type Code string

// Codes of every service.
const (
	AccessDeniedException            Code = "AccessDeniedException"
	AccessDenied                     Code = "AccessDenied" // IAM and STS
	UnrecognizedClientException      Code = "UnrecognizedClientException"
	InvalidClientTokenID             Code = "InvalidClientTokenId" // IAM and STS
	ExpiredTokenException            Code = "ExpiredTokenException"
	ExpiredToken                     Code = "ExpiredToken" // IAM and STS
	InvalidSignatureException        Code = "InvalidSignatureException"
	SignatureDoesNotMatch            Code = "SignatureDoesNotMatch" // IAM and STS
	IncompleteSignature              Code = "IncompleteSignature"
	MissingAuthenticationToken       Code = "MissingAuthenticationToken"
	ThrottlingException              Code = "ThrottlingException"
	Throttling                       Code = "Throttling" // IAM and STS
	ValidationException              Code = "ValidationException"
	ValidationError                  Code = "ValidationError" // IAM and STS
	SerializationException           Code = "SerializationException"
	UnknownOperationException        Code = "UnknownOperationException"
	InvalidAction                    Code = "InvalidAction" // IAM and STS
	UnsupportedOperationException    Code = "UnsupportedOperationException"
	InternalFailure                  Code = "InternalFailure"
	ServiceUnavailable               Code = "ServiceUnavailable" // the log cannot take the record
	RequestEntityTooLarge            Code = "RequestEntityTooLargeException"
	LimitExceededException           Code = "LimitExceededException"
	MalformedPolicyDocumentException Code = "MalformedPolicyDocumentException"
)

// Codes of KMS.
const (
	AlreadyExistsException        Code = "AlreadyExistsException"
	ConflictException             Code = "ConflictException"
	DependencyTimeoutException    Code = "DependencyTimeoutException"
	DisabledException             Code = "DisabledException"
	DryRunOperationException      Code = "DryRunOperationException"
	ExpiredImportTokenException   Code = "ExpiredImportTokenException"
	IncorrectKeyException         Code = "IncorrectKeyException"
	IncorrectKeyMaterialException Code = "IncorrectKeyMaterialException"
	InvalidAliasNameException     Code = "InvalidAliasNameException"
	InvalidArnException           Code = "InvalidArnException"
	InvalidCiphertextException    Code = "InvalidCiphertextException"
	InvalidGrantIDException       Code = "InvalidGrantIdException"
	InvalidGrantTokenException    Code = "InvalidGrantTokenException"
	InvalidImportTokenException   Code = "InvalidImportTokenException"
	InvalidKeyUsageException      Code = "InvalidKeyUsageException"
	InvalidMarkerException        Code = "InvalidMarkerException"
	KeyUnavailableException       Code = "KeyUnavailableException"
	KMSInternalException          Code = "KMSInternalException"
	KMSInvalidMacException        Code = "KMSInvalidMacException"
	KMSInvalidSignatureException  Code = "KMSInvalidSignatureException"
	KMSInvalidStateException      Code = "KMSInvalidStateException"
	NotFoundException             Code = "NotFoundException"
	TagException                  Code = "TagException"
)

// Codes of Secrets Manager.
const (
	DecryptionFailure           Code = "DecryptionFailure"
	EncryptionFailure           Code = "EncryptionFailure"
	InternalServiceError        Code = "InternalServiceError"
	InvalidNextTokenException   Code = "InvalidNextTokenException"
	InvalidParameterException   Code = "InvalidParameterException"
	InvalidRequestException     Code = "InvalidRequestException"
	PreconditionNotMetException Code = "PreconditionNotMetException"
	PublicPolicyException       Code = "PublicPolicyException"
	ResourceExistsException     Code = "ResourceExistsException"
	ResourceNotFoundException   Code = "ResourceNotFoundException"
)

// Codes of IAM and STS.
const (
	ConcurrentModification  Code = "ConcurrentModification"
	DeleteConflict          Code = "DeleteConflict"
	EntityAlreadyExists     Code = "EntityAlreadyExists"
	InvalidInput            Code = "InvalidInput"
	LimitExceeded           Code = "LimitExceeded"
	MalformedPolicyDocument Code = "MalformedPolicyDocument"
	NoSuchEntity            Code = "NoSuchEntity"
	PackedPolicyTooLarge    Code = "PackedPolicyTooLarge"
	PolicyNotAttachable     Code = "PolicyNotAttachable"
	UnmodifiableEntity      Code = "UnmodifiableEntity"
)

// Codes of CloudTrail.
const (
	InvalidLookupAttributesException Code = "InvalidLookupAttributesException"
	InvalidMaxResultsException       Code = "InvalidMaxResultsException"
	InvalidTimeRangeException        Code = "InvalidTimeRangeException"
)

type entry struct {
	status    int
	retryable bool
	record    Code // how CloudTrail writes it, where that differs
}

// catalogue lists the codes that are not a plain 400 of the caller's making.
var catalogue = map[Code]entry{
	AccessDeniedException:       {status: http.StatusBadRequest, record: AccessDenied},
	AccessDenied:                {status: http.StatusForbidden},
	InvalidClientTokenID:        {status: http.StatusForbidden},
	ExpiredToken:                {status: http.StatusForbidden},
	SignatureDoesNotMatch:       {status: http.StatusForbidden},
	ThrottlingException:         {status: http.StatusBadRequest, retryable: true},
	Throttling:                  {status: http.StatusBadRequest, retryable: true},
	InternalFailure:             {status: http.StatusInternalServerError, retryable: true},
	ServiceUnavailable:          {status: http.StatusServiceUnavailable, retryable: true},
	RequestEntityTooLarge:       {status: http.StatusRequestEntityTooLarge},
	DependencyTimeoutException:  {status: http.StatusInternalServerError, retryable: true},
	KeyUnavailableException:     {status: http.StatusInternalServerError, retryable: true},
	KMSInternalException:        {status: http.StatusInternalServerError, retryable: true},
	InternalServiceError:        {status: http.StatusInternalServerError, retryable: true},
	ConcurrentModification:      {status: http.StatusConflict, retryable: true},
	DeleteConflict:              {status: http.StatusConflict},
	EntityAlreadyExists:         {status: http.StatusConflict},
	LimitExceeded:               {status: http.StatusConflict},
	NoSuchEntity:                {status: http.StatusNotFound},
	UnknownOperationException:   {status: http.StatusBadRequest},
	InvalidAction:               {status: http.StatusBadRequest},
	UnrecognizedClientException: {status: http.StatusBadRequest},
}

func (c Code) entry() entry {
	if e, ok := catalogue[c]; ok {
		return e
	}
	return entry{status: http.StatusBadRequest}
}

// Recorded is the code as the audit record has it: CloudTrail drops the suffix
// of AccessDeniedException and keeps every other code as it is.
func (c Code) Recorded() string {
	if r := c.entry().record; r != "" {
		return string(r)
	}
	return string(c)
}
