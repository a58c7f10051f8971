/* least_recorder: the least that a recorder does. It receives, seals, hashes and writes, in one thread, and keeps nothing.

     least_recorder FILE      the socket is its standard input, until the other end is closed; prints SHA-256 of the file

   Chunks are as long as those of a recording. The key is a constant: this is what sealing costs, not a way to seal. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGE = 65536, CHUNK = 16384, TAG = 16, NONCE = 12, CHUNKS = 64, PAUSE_US = 25000 };

static uint8_t plain[CHUNK + MESSAGE], sealed[CHUNKS * (CHUNK + TAG)];
static size_t made; /* bytes of `sealed` */
static uint64_t number;
static int file;
static EVP_CIPHER_CTX *cipher;
static EVP_MD_CTX *hash;

static void die(const char *what) { perror(what); exit(1); }

static void write_out(void) {
    if (write(file, sealed, made) != (ssize_t)made) die("write");
    made = 0;
}

static void seal(const uint8_t *from, size_t size) {
    uint8_t nonce[NONCE] = {0}, *to = sealed + made;
    int done;
    memcpy(nonce, &number, sizeof number), number++;
    EVP_CipherInit_ex(cipher, NULL, NULL, NULL, nonce, -1);
    EVP_CipherUpdate(cipher, to, &done, from, (int)size);
    EVP_CipherFinal_ex(cipher, to + done, &done);
    EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, TAG, to + size);
    EVP_DigestUpdate(hash, to, size + TAG);
    made += size + TAG;
    if (made + CHUNK + TAG > sizeof sealed) write_out();
}

int main(int count, char **word) {
    static const uint8_t key[32] = {1, 2, 3};
    if (count != 2) { fputs("usage: least_recorder FILE\n", stderr); return 2; }
    if ((file = open(word[1], O_WRONLY | O_CREAT | O_TRUNC, 0600)) < 0) die(word[1]);
    cipher = EVP_CIPHER_CTX_new(), hash = EVP_MD_CTX_new();
    if (EVP_CipherInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, NULL, 1) != 1) die("AES-256-GCM");
    if (EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1) die("SHA-256");
    struct pollfd socket = {.fd = STDIN_FILENO, .events = POLLIN};
    size_t have = 0;
    for (ssize_t got = 1; got; usleep(PAUSE_US)) {
        poll(&socket, 1, -1);
        while ((got = recv(STDIN_FILENO, plain + have, MESSAGE, MSG_DONTWAIT)) > 0) {
            size_t at = 0;
            for (have += (size_t)got; have - at >= CHUNK; at += CHUNK) seal(plain + at, CHUNK);
            memmove(plain, plain + at, have -= at);
        }
    }
    seal(plain, have);
    write_out();
    uint8_t digest[EVP_MAX_MD_SIZE];
    EVP_DigestFinal_ex(hash, digest, NULL);
    for (int i = 0; i < 32; i++) printf("%02x", digest[i]);
    putchar('\n');
}
