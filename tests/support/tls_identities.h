/* SPDX-License-Identifier: MIT */
/*
 * Identities that only tests use: strong ones, and the kinds that are refused. Made with openssl
 * req -x509; the pin of each is from openssl dgst -sha256 of its SubjectPublicKeyInfo, so that ours
 * is not compared with itself.
 */
#ifndef SUPPORT_TLS_IDENTITIES_H
#define SUPPORT_TLS_IDENTITIES_H

#define IDENTITY_P256                                                        \
	"-----BEGIN PRIVATE KEY-----\n"                                      \
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgvngVTElKc0bRe9Ob\n" \
	"qEeHeqYTlx6+98Hhfm/hqzn/7SKhRANCAAT1LczcO1VRZtTPzZun81urHDMmyY6k\n" \
	"FOvaRPMAvB2AhTxm/mfQ3hHFscbk15zc/0GvUaF3X/wN5cRNVQg7WP3i\n"         \
	"-----END PRIVATE KEY-----\n"                                        \
	"-----BEGIN CERTIFICATE-----\n"                                      \
	"MIIBbjCCARWgAwIBAgIUJQqdsE/OplF+USCfhqKPjyyfGjIwCgYIKoZIzj0EAwIw\n" \
	"DzENMAsGA1UEAwwEcDI1NjAgFw0yNjExMjEyMjM5MDJaGA8yMTI2MTAyODIyMzkw\n" \
	"MlowDzENMAsGA1UEAwwEcDI1NjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPUt\n" \
	"zNw7VVFm1M/Nm6fzW6scMybJjqQU69pE8wC8HYCFPGb+Z9DeEcWxxuTXnNz/Qa9R\n" \
	"oXdf/A3lxE1VCDtY/eKjTTBLMB0GA1UdDgQWBBT3WiGvIxR5EgVrTklNCXWwwCoD\n" \
	"5zAfBgNVHSMEGDAWgBT3WiGvIxR5EgVrTklNCXWwwCoD5zAJBgNVHRMEAjAAMAoG\n" \
	"CCqGSM49BAMCA0cAMEQCIE/z1CGbIrKUy/ieefz7EEkcshtBJV8gZ1IlOP1VAoJ6\n" \
	"AiACIf0UOfA1YJaK3zYNPE6Hok9YzeHFZEz/Wxi5Q1pu9g==\n"                 \
	"-----END CERTIFICATE-----\n"
#define IDENTITY_P256_PIN "SHA256:GiHE53h3ZXWhxcapqOePBUljK4MnqfRB4FYWEKScQqw"

#define IDENTITY_P384                                                        \
	"-----BEGIN PRIVATE KEY-----\n"                                      \
	"MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDC8L3VK2fzsFHynqtHa\n" \
	"ARfsZzaAu6lRCI/jEPw4YCQjjcgQeN3urW8Vkh9cwYwM11ehZANiAATgV8zbvEt8\n" \
	"z62Ex/caqsBHjMiZTqX6r/6W61eQr4lKYkz17JFfGQqlALQQ8ZQkb61Bp6RIWFmp\n" \
	"j1k3vUZ3SNnTIA9uIHrvnPklX6M6gUqHrpGmCwnL5k0tmyZE+8PvYfw=\n"         \
	"-----END PRIVATE KEY-----\n"                                        \
	"-----BEGIN CERTIFICATE-----\n"                                      \
	"MIIBrTCCATKgAwIBAgIUFb1HeMHtxKaOlaCOvfz9LxJMwwgwCgYIKoZIzj0EAwMw\n" \
	"DzENMAsGA1UEAwwEcDM4NDAgFw0yNjExMjEyMjM5MDJaGA8yMTI2MTAyODIyMzkw\n" \
	"MlowDzENMAsGA1UEAwwEcDM4NDB2MBAGByqGSM49AgEGBSuBBAAiA2IABOBXzNu8\n" \
	"S3zPrYTH9xqqwEeMyJlOpfqv/pbrV5CviUpiTPXskV8ZCqUAtBDxlCRvrUGnpEhY\n" \
	"WamPWTe9RndI2dMgD24geu+c+SVfozqBSoeukaYLCcvmTS2bJkT7w+9h/KNNMEsw\n" \
	"HQYDVR0OBBYEFM8JloMyFYDtEpe0AcBKIJ7SJnomMB8GA1UdIwQYMBaAFM8JloMy\n" \
	"FYDtEpe0AcBKIJ7SJnomMAkGA1UdEwQCMAAwCgYIKoZIzj0EAwMDaQAwZgIxAOk1\n" \
	"K+ZC7YV5kuFOlq3G06L+yFzR79TH96nkf7tqmsSqTy8Thz3sU3H4yT7gJzcwMAIx\n" \
	"AKMI0FEKrXM7TH/XZrgI3+YYjN7EhgspMRfRqJMfQYfKDVWHaHU0LElMMJCf65Az\n" \
	"pw==\n"                                                             \
	"-----END CERTIFICATE-----\n"
#define IDENTITY_P384_PIN "SHA256:LJQYYm+Agpu/pGQL23a9xcqp3Es1bND2sQkonJ9b3eE"

#define IDENTITY_P521                                                        \
	"-----BEGIN PRIVATE KEY-----\n"                                      \
	"MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIAG+w44cOauatcRmPY\n" \
	"BD8LxsAB89GZ8fmETOAyA4TgrP/CPtMU/nXI/1Yed41t2R3brO9crCBkJcgfSl3U\n" \
	"VS3lvmahgYkDgYYABAFoPgqeOz0HQ7RWpl65uYM5pK56FG7K41RrjiEnrWm8S6nY\n" \
	"U/KfP7Vjylp4fYq0YErr+ZQK32UiwiLwbEHBRKlxOgEUK+AZNAcWRATdg0TzMmc7\n" \
	"WvLfmlrnE5JcVw7qrEz83tgE9OCZ8grJUOZKlZO37ilxsXUOE5M2C65Wu2UFdQOz\n" \
	"Yw==\n"                                                             \
	"-----END PRIVATE KEY-----\n"                                        \
	"-----BEGIN CERTIFICATE-----\n"                                      \
	"MIIB9jCCAVigAwIBAgIUCyUwbk3zRFUkuBniEs1VY2ikfk8wCgYIKoZIzj0EAwQw\n" \
	"DzENMAsGA1UEAwwEcDUyMTAgFw0yNjExMjEyMjM5MDJaGA8yMTI2MTAyODIyMzkw\n" \
	"MlowDzENMAsGA1UEAwwEcDUyMTCBmzAQBgcqhkjOPQIBBgUrgQQAIwOBhgAEAWg+\n" \
	"Cp47PQdDtFamXrm5gzmkrnoUbsrjVGuOISetabxLqdhT8p8/tWPKWnh9irRgSuv5\n" \
	"lArfZSLCIvBsQcFEqXE6ARQr4Bk0BxZEBN2DRPMyZzta8t+aWucTklxXDuqsTPze\n" \
	"2AT04JnyCslQ5kqVk7fuKXGxdQ4TkzYLrla7ZQV1A7Njo00wSzAdBgNVHQ4EFgQU\n" \
	"8C06E4kP0Alao8OTuO7NAt+7mHIwHwYDVR0jBBgwFoAU8C06E4kP0Alao8OTuO7N\n" \
	"At+7mHIwCQYDVR0TBAIwADAKBggqhkjOPQQDBAOBiwAwgYcCQWjZFR/HwxrkEYGE\n" \
	"nmb/5sbJaBXRT++0VVaaAIxdTSvTKSDTE0bFUZxcXBwBc9cOkeHizs8gozLohOlZ\n" \
	"NY9toDl+AkIBrvxAbR+IyLZjuo6D+L6jRw5z9ML8UpHPRo3ULLEeky4UZDkv5FlO\n" \
	"2nY6oWt1iMGG8dkRAZdbniJHxiah3I11K0w=\n"                             \
	"-----END CERTIFICATE-----\n"
#define IDENTITY_P521_PIN "SHA256:qfJbRX0hsg73pnFC7IHpcrDRw6XQ2kfJpqYJyrLwFJU"

#define IDENTITY_P192                                                        \
	"-----BEGIN PRIVATE KEY-----\n"                                      \
	"MG8CAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQEEVTBTAgEBBBgn88yIL0OfIu4iRNbT\n" \
	"pvxSNfFX3S2ZXVuhNAMyAATPNDwJ8ZdnbfqyMad89It8oGsusc6CNGGuNWg9LW6N\n" \
	"k9JutKzTdES/2NCL45aZWCU=\n"                                         \
	"-----END PRIVATE KEY-----\n"                                        \
	"-----BEGIN CERTIFICATE-----\n"                                      \
	"MIIBTzCCAQWgAwIBAgIUYIAx9qxsZnZSUQ5saG4qqGmqz0QwCgYIKoZIzj0EAwIw\n" \
	"DzENMAsGA1UEAwwEcDE5MjAgFw0yNjExMjEyMjM5MDNaGA8yMTI2MTAyODIyMzkw\n" \
	"M1owDzENMAsGA1UEAwwEcDE5MjBJMBMGByqGSM49AgEGCCqGSM49AwEBAzIABM80\n" \
	"PAnxl2dt+rIxp3z0i3ygay6xzoI0Ya41aD0tbo2T0m60rNN0RL/Y0IvjlplYJaNN\n" \
	"MEswHQYDVR0OBBYEFElYh8nDkQmQuZHmX5ZgiStTP3FWMB8GA1UdIwQYMBaAFElY\n" \
	"h8nDkQmQuZHmX5ZgiStTP3FWMAkGA1UdEwQCMAAwCgYIKoZIzj0EAwIDOAAwNQIY\n" \
	"Jo++yvicY7OkNZYicEf8fd4sTiiLbYTUAhkAzVodoWvTL8ADbRFLCxe3egjM2QuJ\n" \
	"nCEd\n"                                                             \
	"-----END CERTIFICATE-----\n"
#define IDENTITY_P192_PIN "SHA256:/xQ02ndq2xYAsYoXxPB8oO2Mk2/+MQaHtZFbWp0EwhQ"

#define IDENTITY_RSA2048                                                     \
	"-----BEGIN PRIVATE KEY-----\n"                                      \
	"MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQDoxawz/ocEM3YT\n" \
	"hq8jqGXDcpv+BrIUNuOLsgfgz/+nGLpQDxbyylnHe0feuygdFn+yaSJzPWtaamCR\n" \
	"4uBU0oN+RBRA+A4CqWpX7wBBueXaMV7FlGRBQDrP1cTmkadEfgDqiO97/SgWHhbx\n" \
	"S7JqGM0RtJY9fjHTnZs9GYCQaTouIOzj18dEZ5bSIgtC/pUgX3tMp6GdI0JsIiTO\n" \
	"fHdWpipdujA0ZZkg8MKZhU1jvK3hfoDCUEfX+5L2AxuH+3mpt71aFG/rQSzZqXXj\n" \
	"w79aP++6+CYMK0Oh+Dmyo3muNFy5jOE3+LSLtJQQ/NR4RpIHIoR8TjC4ekUrfUUL\n" \
	"TbOl60pjAgMBAAECggEAXgujkBxJk65xCeGUOF1sxCM1mFQ/NcCZfdLvsOqIuYvZ\n" \
	"lsgJ9w0/acPK3VgTlHEHJd+pXhMWISEypC6cgVjObMD3x+oQyw2E3ENBgMypa9cf\n" \
	"mcdjHCPlvxv44kk94gPgveGWlKtLO2hrz5DMZGZh0EH8o5qtafjXBEAd+/qv2XuJ\n" \
	"td7wg3xuWRRInpHI6q7L015yGctLYINr35BUNpaDCFvGZNq50I+70VVvpWYkrSz6\n" \
	"Z0yZTtqdUFsKTJBP36QNQyA8YWSNglB5fGGAQQZM35qZYK9ICCJooPj01jhlFBg6\n" \
	"hBBXoiKi+4eeth2W5YRvYHXk1uvykuZKnEheqaCY1QKBgQD66/U09/cOOmOg583g\n" \
	"DFjpU/iLIfBplqBjJpj6LiyFKbtjUTSYHi2Rw26UOIWKgt23RxcS75napXztF+We\n" \
	"+6cqev1FvAqUqCiS/liFROhXFhJLhlrf6ewrddnSDKwrOG5NRJvmRDDSwubAU6m+\n" \
	"04Gu5M4vobKR8exfBinjoYnqfwKBgQDte65IMn2Y0OB7/hJb4mWJRfRe3qbb8vQQ\n" \
	"oEDsvCotHEzkmPeiy8idpYmOzKcNS0QWXX0jryu3bORh2PwH7/WPx94Qb8wxHLFZ\n" \
	"pv8BHPXQF6GDktrbrZ7YfjJ+d4HAXy0adjaunH7nxLgbJ7BjdwqjuV/1+2MhnP7M\n" \
	"DiuSZFNGHQKBgC4xfD3ZHHlZFHhN1F/XxhKGa+4pPFoj6bj3JRiBoZ6ONToue/E5\n" \
	"NQhtoxDUavk56FlSVBQfWgKfjqUTTil7iKXQaIoK+SOu5XFSM7etHNzTamDPBjHM\n" \
	"nbbOhmAeByAZzmyZId49VYOnb9WeUVSZGXm6E58/NGGb2PkRaGrIlVw/AoGAerq5\n" \
	"VexqBiikas/iEwRMbwXtBX5Rg0fqpBD9nJqdvVRr1JPNHp/sHLSpA1h2WKN2G4zT\n" \
	"GDb2A8RNvteRYFS9dkHXXG06fIMUkH2COcQKsTEVMlcZrf/rIH0PgVYngxBs0ckX\n" \
	"92M/Hm4Gq1n2iWDC6dvqYMg68esdrrz//ZbFhm0CgYBhx2cWj5wxZyJzdaP0M+XF\n" \
	"thsli/AkpohBaiiHtL1rCxC6rv1CkKQutq6/wsIinJhvXcYRJHbeA/Q/eI3eXhD0\n" \
	"4Y8yV5iI8AKqPsFriwsRgGSE0+eVTEHt/araqPUZAczfPVkoMkI5/GGx4MSLGgXL\n" \
	"y3WkQrep/NmKJDViK6CT5A==\n"                                         \
	"-----END PRIVATE KEY-----\n"                                        \
	"-----BEGIN CERTIFICATE-----\n"                                      \
	"MIIDATCCAemgAwIBAgIUYtCT31arw5sH6VYtvuHNZKnAcg4wDQYJKoZIhvcNAQEL\n" \
	"BQAwEjEQMA4GA1UEAwwHcnNhMjA0ODAgFw0yNjExMjEyMjM5MDNaGA8yMTI2MTAy\n" \
	"ODIyMzkwM1owEjEQMA4GA1UEAwwHcnNhMjA0ODCCASIwDQYJKoZIhvcNAQEBBQAD\n" \
	"ggEPADCCAQoCggEBAOjFrDP+hwQzdhOGryOoZcNym/4GshQ244uyB+DP/6cYulAP\n" \
	"FvLKWcd7R967KB0Wf7JpInM9a1pqYJHi4FTSg35EFED4DgKpalfvAEG55doxXsWU\n" \
	"ZEFAOs/VxOaRp0R+AOqI73v9KBYeFvFLsmoYzRG0lj1+MdOdmz0ZgJBpOi4g7OPX\n" \
	"x0RnltIiC0L+lSBfe0ynoZ0jQmwiJM58d1amKl26MDRlmSDwwpmFTWO8reF+gMJQ\n" \
	"R9f7kvYDG4f7eam3vVoUb+tBLNmpdePDv1o/77r4JgwrQ6H4ObKjea40XLmM4Tf4\n" \
	"tIu0lBD81HhGkgcihHxOMLh6RSt9RQtNs6XrSmMCAwEAAaNNMEswHQYDVR0OBBYE\n" \
	"FHPdrqZIRu6dazCEgwTOnaarwGvUMB8GA1UdIwQYMBaAFHPdrqZIRu6dazCEgwTO\n" \
	"naarwGvUMAkGA1UdEwQCMAAwDQYJKoZIhvcNAQELBQADggEBAIsw870cb532xEUO\n" \
	"YZT/DXp+VXAGetHyrVD2RKxBhxp8bfwAFZz7TYEOYe3Ov/884lneZwitPeMYD0nF\n" \
	"QfGCyNbtPGt9/SHdTL9EE/EFLNRPYLWlTmmL8iO9h7uIfGVEFp13wVEGu9oQXOQK\n" \
	"IkumCF7GWg7k9uyOB43tZzlGBVp5IryN2ecivuzEyrCDbOLiVamfDtHodnprSAWH\n" \
	"jEtOLtvQhcSgxcQ581vv1cSUB5fg9+pCimkqvvC1juaItnUUQiJUycT8zXVTTuLu\n" \
	"DzEzewr4aYQJSpYEeNvi7csTwIcCbXcsjIMAtKd3swijJ8vbURUoZH6EeNEwFNJ6\n" \
	"SwqU+qU=\n"                                                         \
	"-----END CERTIFICATE-----\n"
#define IDENTITY_RSA2048_PIN "SHA256:k8P3WvIVltc+oelOJfYnunO7EZ+vntd860Q750Qrrwc"

#define IDENTITY_RSA1024                                                     \
	"-----BEGIN PRIVATE KEY-----\n"                                      \
	"MIICeQIBADANBgkqhkiG9w0BAQEFAASCAmMwggJfAgEAAoGBALlsfRLkyyPrDhnQ\n" \
	"Sb1gbUZNptRpAbnrTqMwKMEViBsG1kXqUK2xytCZeIAUNq0KipdatNbfaCfz0BmE\n" \
	"2dUoM36J1FVIk1hiqKDAH3o5WB3UtyiCAXRLvmvMxFxaF8VaAuC8unsdt6pcwi6e\n" \
	"FoKyDtzmX8d8EZFoO4MPpVZHi1FDAgMBAAECgYEAuOXExr1dD8EJe5Ymoe/wp2Ux\n" \
	"UagwL3vEG5gfW4KkCQdFTcx8jOe4bVBMR7NgXicf0hOCNq3qB8TpIzlFmneO+A+V\n" \
	"VJznLmnG1wrwaBq9SS8F6imUWL1rkwQ2IL9XZEIXsHP9VERmdFn57wSoZ+NO2Cn2\n" \
	"6Hqd9+x4qhZ2a0RCKqECQQDxkfkOR7zqoFuMvWDfZWXlCVK6cnY9iy7Jmagqy6aZ\n" \
	"UgdTcGOBtyVYCgZViV9Rs0PEv23wicRWc9/H3R/DZYkzAkEAxH/wiDwi+P821jlT\n" \
	"2BJ49dw0Gjo5emAY/loUdmdd18yZ67qSoy38H1wfx9CupEj0L55jr1U5+wue2XP5\n" \
	"6ay3sQJBAJ7bKFXMtR3xr+KAUuj1TClulRmI1dqo4W6vfhgObhMbDzg+iyEtKACa\n" \
	"Lwom2Sjn4uPKIujwH83eS0WqUw3ygmMCQQCoSSX3lwEgnHobR6eN0mwzq64XlCvr\n" \
	"qWdeVklWCjqteXWNFBFHnTdiqCQznX4kBrLSIWUgIO5yGUam1xN+U8RRAkEArDEq\n" \
	"30AuYFDXRPvsO5t4rkVIQD6wi/YbqTT7bK5GgwrEiVOCjeoyCddB3aMGI2P/dt/N\n" \
	"08X22sJAtaXvG+kX5A==\n"                                             \
	"-----END PRIVATE KEY-----\n"                                        \
	"-----BEGIN CERTIFICATE-----\n"                                      \
	"MIIB/DCCAWWgAwIBAgIUH8mNRothyFt0zVcjZYwVA02kmZQwDQYJKoZIhvcNAQEL\n" \
	"BQAwEjEQMA4GA1UEAwwHcnNhMTAyNDAgFw0yNjExMjEyMjM5MDNaGA8yMTI2MTAy\n" \
	"ODIyMzkwM1owEjEQMA4GA1UEAwwHcnNhMTAyNDCBnzANBgkqhkiG9w0BAQEFAAOB\n" \
	"jQAwgYkCgYEAuWx9EuTLI+sOGdBJvWBtRk2m1GkBuetOozAowRWIGwbWRepQrbHK\n" \
	"0Jl4gBQ2rQqKl1q01t9oJ/PQGYTZ1SgzfonUVUiTWGKooMAfejlYHdS3KIIBdEu+\n" \
	"a8zEXFoXxVoC4Ly6ex23qlzCLp4WgrIO3OZfx3wRkWg7gw+lVkeLUUMCAwEAAaNN\n" \
	"MEswHQYDVR0OBBYEFCnLsyXdTdbW6aNT6gr3Mf8ZjkvgMB8GA1UdIwQYMBaAFCnL\n" \
	"syXdTdbW6aNT6gr3Mf8ZjkvgMAkGA1UdEwQCMAAwDQYJKoZIhvcNAQELBQADgYEA\n" \
	"RQBJsahkrwRhVimSz5nTAClCe81qzaFBPnJtwpZhWhCDkhf4PGngp2oqFhwCjsoV\n" \
	"SLexEPzbizR/HWN124X10+55T/jsN2qxRVPte4Nv8aoJh+ot15up8du+vNbhg4ij\n" \
	"wDi9u2ZM0wnVoB0xt6Cql8M/KPAEAlhhP02NARkNb7M=\n"                     \
	"-----END CERTIFICATE-----\n"
#define IDENTITY_RSA1024_PIN "SHA256:TQmD2XizVUx/HvaNjjdL1DlDojjet0a6hap14/8KHNM"

#define IDENTITY_SHA1                                                        \
	"-----BEGIN PRIVATE KEY-----\n"                                      \
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgvBJ1r24QIy17HWia\n" \
	"FjzA0y2rMLu52fk/mlvlAktnk/+hRANCAARsSYHOCXDj047hW9zrNqJMJ6k21FXK\n" \
	"zM6iTRkKtbqIZhfOGH4K6I5cvor2FfJXLZIE6ljPx6EIi4jA0p+c9wmE\n"         \
	"-----END PRIVATE KEY-----\n"                                        \
	"-----BEGIN CERTIFICATE-----\n"                                      \
	"MIIBbjCCARSgAwIBAgIUXiyNOx3Ksji3gW903sVse3+giPowCQYHKoZIzj0EATAP\n" \
	"MQ0wCwYDVQQDDARzaGExMCAXDTI2MTEyMTIyMzkwM1oYDzIxMjYxMDI4MjIzOTAz\n" \
	"WjAPMQ0wCwYDVQQDDARzaGExMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEbEmB\n" \
	"zglw49OO4Vvc6zaiTCepNtRVyszOok0ZCrW6iGYXzhh+CuiOXL6K9hXyVy2SBOpY\n" \
	"z8ehCIuIwNKfnPcJhKNNMEswHQYDVR0OBBYEFMarHD86U/JXRrcyRRfjcWqaNFxw\n" \
	"MB8GA1UdIwQYMBaAFMarHD86U/JXRrcyRRfjcWqaNFxwMAkGA1UdEwQCMAAwCQYH\n" \
	"KoZIzj0EAQNJADBGAiEAlbqpvBMCoADWMN/emkEIhqsLnxbcCshW2ew65XpDue8C\n" \
	"IQCCxysVRkg+17pSULUVtjYmKcSkMmDGohdNK//474y2IQ==\n"                 \
	"-----END CERTIFICATE-----\n"
#define IDENTITY_SHA1_PIN "SHA256:dFlhJ39YblX8iTIYLajP/0Tpzp6H/ndBdVubsjRPmC4"

#define IDENTITY_ED25519                                                     \
	"-----BEGIN PRIVATE KEY-----\n"                                      \
	"MC4CAQAwBQYDK2VwBCIEIBvk2PYEBIb+YFPtcA3wqZB9VVt/1jzzbqsfEJ6G2xo+\n" \
	"-----END PRIVATE KEY-----\n"                                        \
	"-----BEGIN CERTIFICATE-----\n"                                      \
	"MIIBNDCB56ADAgECAhQN8VK4Rw+bzPlURJCsQsPxm1V6jTAFBgMrZXAwEjEQMA4G\n" \
	"A1UEAwwHZWQyNTUxOTAgFw0yNjExMjEyMjM5MDNaGA8yMTI2MTAyODIyMzkwM1ow\n" \
	"EjEQMA4GA1UEAwwHZWQyNTUxOTAqMAUGAytlcAMhAKi5N5KIn9Xf73cCx/H7BjRy\n" \
	"VvHEgJHV3ECUPoqR1m0Fo00wSzAdBgNVHQ4EFgQU0DSS2jRrm0/YOkfwQzq8rL7S\n" \
	"DFkwHwYDVR0jBBgwFoAU0DSS2jRrm0/YOkfwQzq8rL7SDFkwCQYDVR0TBAIwADAF\n" \
	"BgMrZXADQQC7DFHc62sfSZkayX0jQFKLlB2jln++te5alEosj84TOm3Wpn8cR9rl\n" \
	"3rSmRJfhEwONWprlfCkZ+HlmKbvgl8EM\n"                                 \
	"-----END CERTIFICATE-----\n"
#define IDENTITY_ED25519_PIN "SHA256:8w4PNWPd3qWvdtyfrZvkhQ0Jj6IfNhfiqa5skss1VWM"

#define IDENTITY_ENCRYPTED                                                   \
	"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"                            \
	"MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhVmav8ltU9mwICCAAw\n" \
	"DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEFPLKxJRHGmmlhj7AJafsc0EgZC3\n" \
	"JjY8MIzP49t0TLO9M+rY8VD0BkXuReRa14v083ZWHADVBPD1cdM+Zn4WSdAys9Ri\n" \
	"0lobj/v4Ywhjev90Do3NOqrfgamJbhhLhLGWRZv11P5b7rmNn2hM9cg7DtyTrZG1\n" \
	"QluDO12Ac+4rv9XMJMsdzv3+LtsBxAiIj6uSherl78phGaaITXKm+d1AACXcRZ0=\n" \
	"-----END ENCRYPTED PRIVATE KEY-----\n"                              \
	"-----BEGIN CERTIFICATE-----\n"                                      \
	"MIIBbjCCARWgAwIBAgIUJQqdsE/OplF+USCfhqKPjyyfGjIwCgYIKoZIzj0EAwIw\n" \
	"DzENMAsGA1UEAwwEcDI1NjAgFw0yNjExMjEyMjM5MDJaGA8yMTI2MTAyODIyMzkw\n" \
	"MlowDzENMAsGA1UEAwwEcDI1NjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPUt\n" \
	"zNw7VVFm1M/Nm6fzW6scMybJjqQU69pE8wC8HYCFPGb+Z9DeEcWxxuTXnNz/Qa9R\n" \
	"oXdf/A3lxE1VCDtY/eKjTTBLMB0GA1UdDgQWBBT3WiGvIxR5EgVrTklNCXWwwCoD\n" \
	"5zAfBgNVHSMEGDAWgBT3WiGvIxR5EgVrTklNCXWwwCoD5zAJBgNVHRMEAjAAMAoG\n" \
	"CCqGSM49BAMCA0cAMEQCIE/z1CGbIrKUy/ieefz7EEkcshtBJV8gZ1IlOP1VAoJ6\n" \
	"AiACIf0UOfA1YJaK3zYNPE6Hok9YzeHFZEz/Wxi5Q1pu9g==\n"                 \
	"-----END CERTIFICATE-----\n"

/* The key of P256 in a certificate that expired in 2001. */
#define IDENTITY_EXPIRED                                                     \
	"-----BEGIN PRIVATE KEY-----\n"                                      \
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgvngVTElKc0bRe9Ob\n" \
	"qEeHeqYTlx6+98Hhfm/hqzn/7SKhRANCAAT1LczcO1VRZtTPzZun81urHDMmyY6k\n" \
	"FOvaRPMAvB2AhTxm/mfQ3hHFscbk15zc/0GvUaF3X/wN5cRNVQg7WP3i\n"         \
	"-----END PRIVATE KEY-----\n"                                        \
	"-----BEGIN CERTIFICATE-----\n"                                      \
	"MIIBPzCB5aADAgECAgEBMAoGCCqGSM49BAMCMBIxEDAOBgNVBAMMB2V4cGlyZWQw\n" \
	"HhcNMDAwMTAxMDAwMDAwWhcNMDEwMTAxMDAwMDAwWjASMRAwDgYDVQQDDAdleHBp\n" \
	"cmVkMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9S3M3DtVUWbUz82bp/Nbqxwz\n" \
	"JsmOpBTr2kTzALwdgIU8Zv5n0N4RxbHG5Nec3P9Br1Ghd1/8DeXETVUIO1j94qMs\n" \
	"MCowCQYDVR0TBAIwADAdBgNVHQ4EFgQU91ohryMUeRIFa05JTQl1sMAqA+cwCgYI\n" \
	"KoZIzj0EAwIDSQAwRgIhAPZ74rRDxSezhzfYgZD0M7j3TaiRcCEqkZYTOJjqYlji\n" \
	"AiEA8g0tUX4soRkpiUUaz+OPklvLX5sLF+cpXRoYDCdlou4=\n"                 \
	"-----END CERTIFICATE-----\n"

#endif
