/* The SSL_CTX of either program. */

#ifndef TLS_H
#define TLS_H

#include <openssl/ssl.h>

#include "options.h"

/* Both exit with a message where OpenSSL refuses something. */
SSL_CTX *tls_server(const struct options *options);
SSL_CTX *tls_client(const struct options *options);

#endif
