/* one_by_one: receives, seals or opens, and sends one datagram at a time, as most relays are written.

     one_by_one seal|open IN_PORT OUT_PORT */

#include "relay.h"

int main(int count, char **word) {
    if (count != 4) { fputs("usage: one_by_one seal|open IN_PORT OUT_PORT\n", stderr); return 2; }
    int sealing = !strcmp(word[1], "seal"), in = udp_socket(word[2]), out = udp_socket("0");
    struct sockaddr_in to = loopback(word[3]);
    EVP_CIPHER_CTX *cipher = new_cipher(sealing);
    uint8_t from[ROOM], made[ROOM + AAD + TAG];
    for (uint64_t counter = 0;; counter++) {
        ssize_t length = recv(in, from, sizeof from, 0);
        if (length < 0) continue;
        int size = sealing ? (int)seal_one(cipher, counter, from, (size_t)length, made)
                           : open_one(cipher, from, (size_t)length, made);
        if (size >= 0) sendto(out, made, (size_t)size, 0, (struct sockaddr *)&to, sizeof to);
    }
}
