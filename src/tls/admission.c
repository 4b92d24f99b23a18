/* SPDX-License-Identifier: MIT */
/* Admission: the one place that lets a peer in. */
#include "tls/admission.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/error.h>

#include "base/memory.h"

/* Why a peer's handshake is not good enough, whoever it is. In this order: the first that is true
 * is told. */
static const struct fault {
	unsigned flag;
	int hub_error, client_error; /* who judges */
	const char *text;            /* for us, behind "the hub" or "the client" */
	const char *peer_text;
} faults[] = {
	{ ADMISSION_OLD_PROTOCOL, LW_CONNECTION_ERROR_NEGOTIATION_FAILED,
	  LW_CONNECTION_ERROR_NEGOTIATION_FAILED, "speaks a TLS older than 1.2",
	  "your TLS is older than 1.2" },
	{ ADMISSION_WRONG_SUITE, LW_CONNECTION_ERROR_NEGOTIATION_FAILED,
	  LW_CONNECTION_ERROR_NEGOTIATION_FAILED,
	  "agreed to no cipher suite of ours (ECDHE with AES-GCM or ChaCha20-Poly1305)",
	  "no cipher suite with ECDHE and an AEAD was agreed" },
	{ ADMISSION_WRONG_ALPN, LW_CONNECTION_ERROR_NEGOTIATION_FAILED,
	  LW_CONNECTION_ERROR_NEGOTIATION_FAILED,
	  "speaks TLS but not longwire/1 in it (ALPN): it is another program, or another version",
	  "the protocol longwire/1 was not agreed (ALPN)" },
	{ ADMISSION_NO_CERTIFICATE, LW_CONNECTION_ERROR_CLIENT_CERTIFICATE_INVALID,
	  LW_CONNECTION_ERROR_SERVER_CERTIFICATE_INVALID,
	  "showed no certificate, so there is no key to know it by",
	  "you showed no certificate; this end knows its peers by their keys" },
	{ ADMISSION_WEAK_KEY, LW_CONNECTION_ERROR_CLIENT_CERTIFICATE_INVALID,
	  LW_CONNECTION_ERROR_SERVER_CERTIFICATE_INVALID,
	  "has a weak key; allowed are P-256, P-384 and RSA of 2048 bits or more: it needs a new "
	  "identity",
	  "your key is weak; allowed are P-256, P-384 and RSA of 2048 bits or more: make a new identity" },
	{ ADMISSION_WEAK_SIGNATURE, LW_CONNECTION_ERROR_CLIENT_CERTIFICATE_INVALID,
	  LW_CONNECTION_ERROR_SERVER_CERTIFICATE_INVALID,
	  "has a certificate signed with SHA-1 or MD5; SHA-256 or longer is needed: it needs a new one",
	  "your certificate is signed with SHA-1 or MD5; SHA-256 or longer is needed" },
};

static int compare_entries(const void *a, const void *b)
{
	const struct admission_entry *x = a, *y = b;

	return memcmp(x->pin.sha256, y->pin.sha256, sizeof(x->pin.sha256));
}

/* One key, two names: whom would it be admitted as? */
static bool is_ambiguous(const struct admission_book *book)
{
	for (size_t i = 1; i < book->n; i++)
		if (!compare_entries(&book->entries[i - 1], &book->entries[i]) &&
		    strcmp(book->entries[i - 1].name, book->entries[i].name) != 0)
			return true;
	return false;
}

int admission_book_new(const struct admission_entry *entries, size_t n,
		       struct admission_book **ret_book)
{
	struct admission_book *book = calloc(1, sizeof(*book));

	if (!book)
		return -ENOMEM;
	book->entries = calloc(n ? n : 1, sizeof(*entries));
	if (!book->entries) {
		admission_book_free(book);
		return -ENOMEM;
	}
	if (n) {
		memcpy(book->entries, entries, n * sizeof(*entries));
		qsort(book->entries, n, sizeof(*entries), compare_entries);
	}
	book->n = n;
	if (is_ambiguous(book)) {
		admission_book_free(book);
		return -EEXIST;
	}
	*ret_book = book;
	return 0;
}

void admission_book_free(struct admission_book *book)
{
	if (!book)
		return;
	free(book->entries);
	free(book);
}

/* A pin is the hash of a public key, which the peer shows to everybody: looking it up by comparison
 * tells nothing. */
static const struct admission_entry *find(const struct admission_book *book, const struct pin *pin)
{
	struct admission_entry wanted = { .pin = *pin };

	if (!book || !book->n)
		return NULL;
	return bsearch(&wanted, book->entries, book->n, sizeof(wanted), compare_entries);
}

static const char *peer_of(enum admission_side side)
{
	return side == ADMISSION_HUB ? "client" : "hub";
}

static void refuse(struct admission *admission, int connection_error, const char *peer_text)
{
	admission->verdict = ADMISSION_REFUSED;
	admission->connection_error = connection_error;
	snprintf(admission->peer_text, sizeof(admission->peer_text), "%s", peer_text);
}

static bool has_fault(const struct admission_facts *facts, struct admission *admission)
{
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		const struct fault *f = &faults[i];

		if (!(facts->flags & f->flag))
			continue;
		refuse(admission, facts->side == ADMISSION_HUB ? f->hub_error : f->client_error,
		       f->peer_text);
		snprintf(admission->text, sizeof(admission->text), "the %s %s",
			 peer_of(facts->side), f->text);
		return true;
	}
	/* A flag that is not in the table is a fault all the same. */
	if (facts->flags) {
		refuse(admission, LW_CONNECTION_ERROR_NEGOTIATION_FAILED, "not agreed");
		snprintf(admission->text, sizeof(admission->text), "the %s is not acceptable",
			 peer_of(facts->side));
		return true;
	}
	return false;
}

static void refuse_unknown(const struct admission_facts *facts, const struct admission_book *book,
			   struct admission *admission)
{
	char shown[PIN_TEXT_SIZE], pinned[PIN_TEXT_SIZE], told[ADMISSION_TEXT_SIZE];

	pin_format(&facts->pin, shown);
	if (facts->side == ADMISSION_HUB) {
		snprintf(told, sizeof(told),
			 "this hub has no client with the key %s; its administrator can add it",
			 shown);
		refuse(admission, LW_CONNECTION_ERROR_AUTHENTICATION_FAILED, told);
		snprintf(
			admission->text, sizeof(admission->text),
			"the client showed %s, which no client here is pinned to; to admit it, put "
			"that pin under clients:",
			shown);
		return;
	}
	refuse(admission, LW_CONNECTION_ERROR_SERVER_CERTIFICATE_INVALID,
	       "your key is not the one that this client has pinned");
	if (book && book->n == 1)
		snprintf(admission->text, sizeof(admission->text),
			 "the hub showed %s, which is not the pinned key %s: another machine "
			 "answers, or hub.pin is old",
			 shown, pin_format(&book->entries[0].pin, pinned));
	else
		snprintf(admission->text, sizeof(admission->text),
			 "the hub showed %s, which is none of the %zu pinned keys: another machine "
			 "answers, or hub.pin is old",
			 shown, book ? book->n : 0);
}

void admission_judge(const struct admission_facts *facts, const struct admission_book *book,
		     struct admission *ret_admission)
{
	struct admission admission = { .verdict = ADMISSION_REFUSED };
	const struct admission_entry *entry;

	if (!has_fault(facts, &admission)) {
		entry = find(book, &facts->pin);
		if (entry) {
			admission.verdict = ADMISSION_ADMITTED;
			snprintf(admission.name, sizeof(admission.name), "%s", entry->name);
		} else {
			refuse_unknown(facts, book, &admission);
		}
	}
	*ret_admission = admission;
}
