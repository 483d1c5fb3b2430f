package fault

// Code is an AWS error code as it goes over the wire, for example
// "NotFoundException" (KMS) or "NoSuchEntity" (IAM).
type Code string

// Codes of every service.
const (
	AccessDeniedException               Code = "AccessDeniedException"
	AccessDenied                        Code = "AccessDenied" // IAM and STS
	UnrecognizedClientException         Code = "UnrecognizedClientException"
	InvalidClientTokenID                Code = "InvalidClientTokenId" // IAM and STS
	ExpiredTokenException               Code = "ExpiredTokenException"
	ExpiredToken                        Code = "ExpiredToken" // IAM and STS
	InvalidSignatureException           Code = "InvalidSignatureException"
	SignatureDoesNotMatch               Code = "SignatureDoesNotMatch" // IAM and STS
	IncompleteSignature                 Code = "IncompleteSignature"   // IAM and STS
	IncompleteSignatureException        Code = "IncompleteSignatureException"
	MissingAuthenticationToken          Code = "MissingAuthenticationToken" // IAM and STS
	MissingAuthenticationTokenException Code = "MissingAuthenticationTokenException"
	ThrottlingException                 Code = "ThrottlingException"
	Throttling                          Code = "Throttling" // IAM and STS
	ValidationException                 Code = "ValidationException"
	ValidationError                     Code = "ValidationError" // IAM and STS
	SerializationException              Code = "SerializationException"
	UnknownOperationException           Code = "UnknownOperationException"
	InvalidAction                       Code = "InvalidAction"        // IAM and STS
	MissingAction                       Code = "MissingAction"        // IAM and STS
	MalformedInput                      Code = "MalformedInput"       // IAM and STS
	MalformedQueryString                Code = "MalformedQueryString" // IAM and STS
	UnsupportedOperationException       Code = "UnsupportedOperationException"
	InternalFailure                     Code = "InternalFailure"
	ServiceUnavailable                  Code = "ServiceUnavailable" // the log cannot take the record
	RequestEntityTooLarge               Code = "RequestEntityTooLargeException"
	RequestTimeout                      Code = "RequestTimeoutException"
	LimitExceededException              Code = "LimitExceededException"
	MalformedPolicyDocumentException    Code = "MalformedPolicyDocumentException"
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
	NotAuthorizedException        Code = "NotAuthorizedException"
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
	InvalidAuthorization    Code = "InvalidAuthorizationMessageException"
	InvalidInput            Code = "InvalidInput"
	InvalidParameterValue   Code = "InvalidParameterValue"
	LimitExceeded           Code = "LimitExceeded"
	MalformedPolicyDocument Code = "MalformedPolicyDocument"
	NoSuchEntity            Code = "NoSuchEntity"
	PackedPolicyTooLarge    Code = "PackedPolicyTooLarge"
	PolicyNotAttachable     Code = "PolicyNotAttachable"
	UnmodifiableEntity      Code = "UnmodifiableEntity"
)

// Codes of CloudTrail.
const (
	InvalidEventCategoryException    Code = "InvalidEventCategoryException"
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
	AccessDeniedException:       {status: 400, record: AccessDenied},
	AccessDenied:                {status: 403},
	InvalidClientTokenID:        {status: 403},
	ExpiredToken:                {status: 403},
	SignatureDoesNotMatch:       {status: 403},
	MissingAuthenticationToken:  {status: 403},
	MalformedQueryString:        {status: 404},
	ThrottlingException:         {status: 400, retryable: true},
	Throttling:                  {status: 400, retryable: true},
	InternalFailure:             {status: 500, retryable: true},
	ServiceUnavailable:          {status: 503, retryable: true},
	RequestEntityTooLarge:       {status: 413},
	RequestTimeout:              {status: 408, retryable: true},
	DependencyTimeoutException:  {status: 500, retryable: true},
	KeyUnavailableException:     {status: 500, retryable: true},
	KMSInternalException:        {status: 500, retryable: true},
	InternalServiceError:        {status: 500, retryable: true},
	ConcurrentModification:      {status: 409, retryable: true},
	DeleteConflict:              {status: 409},
	EntityAlreadyExists:         {status: 409},
	LimitExceeded:               {status: 409},
	NoSuchEntity:                {status: 404},
	UnknownOperationException:   {status: 400},
	InvalidAction:               {status: 400},
	UnrecognizedClientException: {status: 400},
}

func (c Code) entry() entry {
	if e, ok := catalogue[c]; ok {
		return e
	}
	return entry{status: 400}
}

// Recorded is the code as the audit record has it: CloudTrail drops the suffix
// of AccessDeniedException and keeps every other code as it is.
func (c Code) Recorded() string {
	if r := c.entry().record; r != "" {
		return string(r)
	}
	return string(c)
}
