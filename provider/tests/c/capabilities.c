/*
 * What the provider announces to libssl is what the default provider announces of the same keys: groups up to OpenSSL
 * 3.4, where libssl asks the provider of the keys, and signature algorithms.
 *
 *   capabilities FOLDER PROVIDER        prints how many groups and signature algorithms were the same
 */
#include "sequences.h"

enum { MOST = 128 };

struct list {
    OSSL_PARAM *entries[MOST];
    int count;
};

static const char *text(const OSSL_PARAM *params, const char *key)
{
    const OSSL_PARAM *param = OSSL_PARAM_locate_const(params, key);

    CHECK(param != NULL && param->data_type == OSSL_PARAM_UTF8_STRING);
    return param->data;
}

static int take(const OSSL_PARAM params[], void *argument)
{
    struct list *list = argument;

    CHECK(list->count < MOST);
    CHECK((list->entries[list->count++] = OSSL_PARAM_dup(params)) != NULL);
    return 1;
}

static void same_entry(const OSSL_PARAM *expected, const OSSL_PARAM *got)
{
    for (; expected->key != NULL; expected++) {
        const OSSL_PARAM *other = OSSL_PARAM_locate_const(got, expected->key);

        CHECK(other != NULL && other->data_type == expected->data_type);
        if (expected->data_type == OSSL_PARAM_UTF8_STRING)
            CHECK(strcmp(expected->data, other->data) == 0);
        else
            CHECK(expected->data_size == other->data_size
                  && memcmp(expected->data, other->data, expected->data_size) == 0);
    }
}

/* How many of ours there are; each that the default provider has is the same, and of these keys it has no others. */
static int compared(OSSL_PROVIDER *theirs, OSSL_PROVIDER *ours, const char *capability, const char *name,
                    const char *algorithm, const char *const *algorithms)
{
    static struct list expected, got;

    expected.count = got.count = 0;
    CHECK(OSSL_PROVIDER_get_capabilities(theirs, capability, take, &expected) == 1);
    CHECK(OSSL_PROVIDER_get_capabilities(ours, capability, take, &got) == 1);
    for (int i = 0; got.count > 0 && i < expected.count; i++) {
        int of_ours = 0, found = 0;

        for (int a = 0; algorithms[a] != NULL; a++)
            of_ours |= strcmp(text(expected.entries[i], algorithm), algorithms[a]) == 0;
        for (int j = 0; j < got.count; j++)
            if (strcmp(text(expected.entries[i], name), text(got.entries[j], name)) == 0) {
                same_entry(expected.entries[i], got.entries[j]);
                found++;
            }
        CHECK(found == of_ours);
    }
    return got.count;
}

int main(int argc, char **argv)
{
    static const char *const keys[] = { "EC", "X25519", "X25519MLKEM768", "ML-KEM-768", NULL };
    static const char *const signers[] = { "ML-DSA-44", "ML-DSA-65", NULL };
    OSSL_PROVIDER *theirs, *ours;
    int groups, sigalgs = 0;

    CHECK(argc == 3);
    CHECK((theirs = OSSL_PROVIDER_load(NULL, "default")) != NULL);
    CHECK(OSSL_PROVIDER_set_default_search_path(NULL, argv[1]) == 1);
    CHECK((ours = OSSL_PROVIDER_load(NULL, argv[2])) != NULL);
    groups = compared(theirs, ours, "TLS-GROUP", "tls-group-name", "tls-group-alg", keys);
    if (OPENSSL_version_major() > 3 || OPENSSL_version_minor() >= 5)
        sigalgs = compared(theirs, ours, "TLS-SIGALG", "tls-sigalg-iana-name", "tls-sigalg-name", signers);
    CHECK(OSSL_PROVIDER_get_capabilities(ours, "TLS-NOTHING", take, NULL) == 0);
    printf("groups %d sigalgs %d\n", groups, sigalgs);
    return 0;
}
