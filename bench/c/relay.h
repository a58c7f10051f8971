/* What both C relays share: the sealed datagram, which is as long as Zegel's, and its sealing with OpenSSL.

   sealed = counter (8 bytes) || AES-256-GCM ciphertext || tag (16); the additional data is counter || session (16), and
   the nonce is the counter behind 4 zero bytes. The key is a constant: this is what sealing costs, not a way to seal. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

enum { HEADER = 8, SESSION = 16, AAD = HEADER + SESSION, TAG = 16, NONCE = 12, ROOM = 2048, BUFFER = 4 << 20 };

static void die(const char *what) { perror(what); exit(1); }

static EVP_CIPHER_CTX *new_cipher(int sealing) {
    static const uint8_t key[32] = {1, 2, 3};
    EVP_CIPHER_CTX *made = EVP_CIPHER_CTX_new();
    if (!made || EVP_CipherInit_ex(made, EVP_aes_256_gcm(), NULL, key, NULL, sealing) != 1) die("AES-256-GCM");
    return made;
}

static void begin(EVP_CIPHER_CTX *cipher, const uint8_t *header) {
    static uint8_t aad[AAD] = {0};
    uint8_t nonce[NONCE] = {0};
    int size;
    memcpy(aad, header, HEADER);
    memcpy(nonce + NONCE - HEADER, header, HEADER);
    EVP_CipherInit_ex(cipher, NULL, NULL, NULL, nonce, -1);
    EVP_CipherUpdate(cipher, NULL, &size, aad, AAD);
}

/* Bytes of the sealed datagram. */
static size_t seal_one(EVP_CIPHER_CTX *cipher, uint64_t counter, const uint8_t *plain, size_t length, uint8_t *out) {
    int size;
    counter = htobe64(counter);
    memcpy(out, &counter, HEADER);
    begin(cipher, out);
    EVP_CipherUpdate(cipher, out + HEADER, &size, plain, (int)length);
    EVP_CipherFinal_ex(cipher, out + HEADER + size, &size);
    EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, TAG, out + HEADER + length);
    return HEADER + length + TAG;
}

/* Bytes of the plain datagram, or -1 if it is not authentic. */
static int open_one(EVP_CIPHER_CTX *cipher, uint8_t *sealed, size_t length, uint8_t *out) {
    int size, plain = (int)length - HEADER - TAG;
    if (plain < 0) return -1;
    begin(cipher, sealed);
    EVP_CipherUpdate(cipher, out, &size, sealed + HEADER, plain);
    EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, TAG, sealed + HEADER + plain);
    return EVP_CipherFinal_ex(cipher, out + size, &size) == 1 ? plain : -1;
}

static struct sockaddr_in loopback(const char *port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int udp_socket(const char *port) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0), size = BUFFER;
    struct sockaddr_in here = loopback(port);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (bind(fd, (struct sockaddr *)&here, sizeof here)) die("bind");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return fd;
}
