/* tls_load: closed-loop load over TLS 1.3, one thread, epoll; loopback only; bounded by time.
 *
 *   cc -O2 -o tls_load tls_load.c -lssl -lcrypto
 *   tls_load -p PORT -c CONNECTIONS -d SECONDS [-w WARM_SECONDS] -b BODY [-H 'name: value']...
 *   tls_load -p PORT -c CONNECTIONS -d SECONDS [-w WARM_SECONDS] -k
 *
 * The first form sends POST requests over connections that are kept. With -k each connection makes a
 * full handshake, says goodbye and is made anew: a handshake counts when the server has ended its side
 * and has sent what it sends only after it has verified the client's last message (RFC 8446 §4.6.1).
 * Certificates are not verified, sessions are never resumed.
 *
 * Prints one line of JSON: n, rps, p50 and p99 (µs), bad_status, bad_conn, busy (the share of a core
 * this program used itself), tls (version and cipher suite), bad (the start of the first bad answer). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { IN = 1 << 16, HEAD = 8192, MOST = 1 << 22, EVENTS = 256, BAD = 200 };
enum state { SHAKING, WRITING, READING, LEAVING };

struct connection {
    int fd;
    SSL *tls;
    enum state state;
    int64_t begun;
    uint32_t awaited;
    int got, whole, status;
    char in[IN + 1];
};

static SSL_CTX *context;
static struct sockaddr_in server;
static int epoll, handshakes_only;
static char *request;
static int request_size;
static uint32_t *took;
static long done, bad_status, bad_conn;
static int64_t measured_from = INT64_MAX;
static char bad[BAD + 1], settled[128];

static void quit(const char *format, ...) {
    va_list all;
    va_start(all, format);
    fputs("tls_load: ", stderr);
    vfprintf(stderr, format, all);
    fputc('\n', stderr);
    va_end(all);
    exit(2);
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static double cpu_seconds(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static void dial(struct connection *c) {
    int one = 1;
    c->begun = now();
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (void *)&server, sizeof server)) quit("connect: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    c->awaited = EPOLLIN;
    struct epoll_event event = {.events = c->awaited, .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
    c->tls = SSL_new(context);
    SSL_set_fd(c->tls, c->fd);
    SSL_set_tlsext_host_name(c->tls, "localhost");
    SSL_set_connect_state(c->tls);
    c->state = SHAKING;
    c->got = c->whole = 0;
}

static void hang_up(struct connection *c) {
    SSL_free(c->tls);
    close(c->fd);
}

/* Wait for the socket to take more, or only for what it brings. */
static void await(struct connection *c, uint32_t events) {
    if (c->awaited == events) return;
    c->awaited = events;
    struct epoll_event event = {.events = events, .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event);
}

static void count(struct connection *c) {
    if (c->begun < measured_from) return;
    int64_t spent = now() - c->begun;
    if (done == MOST) quit("more than %d answers; ask for fewer seconds", MOST);
    took[done++] = spent > UINT32_MAX ? UINT32_MAX : (uint32_t)spent;
}

static void keep_bad(const char *text) {
    if (bad[0]) return;
    snprintf(bad, sizeof bad, "%s", text);
    for (char *p = bad; *p; p++)
        if (*p == '"' || *p == '\\' || (unsigned char)*p < 32 || (unsigned char)*p > 126) *p = ' ';
}

/* Tell whether a call of OpenSSL is to be made again when the socket is ready. */
static int again(struct connection *c, int result) {
    switch (SSL_get_error(c->tls, result)) {
    case SSL_ERROR_WANT_READ: return 1;
    case SSL_ERROR_WANT_WRITE: await(c, EPOLLIN | EPOLLOUT); return 1;
    default: return 0;
    }
}

/* Read the size of the whole answer from its head; 0 while the head is not complete. */
static int whole_size(struct connection *c) {
    c->in[c->got] = 0;
    char *end = strstr(c->in, "\r\n\r\n");
    if (!end) return 0;
    char *length = strcasestr(c->in, "\r\ncontent-length:");
    if (!length || length > end) quit("an answer without content-length: %.200s", c->in);
    c->status = atoi(c->in + 9);
    int size = (int)(end - c->in) + 4 + atoi(length + 17);
    if (size > IN) quit("an answer of more than %d bytes", IN);
    return size;
}

static int answered(struct connection *c) {
    if (c->status == 200) {
        count(c);
    } else if (c->begun >= measured_from) {
        bad_status++;
        keep_bad(c->in);
    }
    c->state = WRITING;
    c->begun = now();
    c->got = c->whole = 0;
    return 1;
}

/* Each step returns 1 to go on at once, 0 to wait for the socket, -1 when the connection is broken. */

static int shake(struct connection *c) {
    int result = SSL_do_handshake(c->tls);
    if (result != 1) return again(c, result) ? 0 : -1;
    await(c, EPOLLIN);
    if (!settled[0]) snprintf(settled, sizeof settled, "%s %s", SSL_get_version(c->tls), SSL_get_cipher(c->tls));
    if (!handshakes_only) {
        c->state = WRITING;
        c->begun = now();
        return 1;
    }
    SSL_shutdown(c->tls);
    shutdown(c->fd, SHUT_WR);
    c->state = LEAVING;
    return 0;
}

static int put(struct connection *c) {
    int result = SSL_write(c->tls, request, request_size);
    if (result <= 0) return again(c, result) ? 0 : -1;
    if (result != request_size) quit("OpenSSL wrote a part of a request");
    await(c, EPOLLIN);
    c->state = READING;
    return 0;
}

static int take(struct connection *c) {
    int result = SSL_read(c->tls, c->in + c->got, IN - c->got);
    if (result <= 0) return again(c, result) ? 0 : -1;
    c->got += result;
    if (!c->whole) c->whole = whole_size(c);
    if (!c->whole || c->got < c->whole) return 1;
    return answered(c);
}

static int leave(struct connection *c) {
    int result = (int)read(c->fd, c->in, IN);
    if (result > 0) {
        c->got += result;
        return 1;
    }
    if (result < 0 && errno == EAGAIN) return 0;
    if (c->got) {
        count(c);
    } else if (c->begun >= measured_from) {
        bad_conn++;
        keep_bad("the server ended a handshake without its last message");
    }
    hang_up(c);
    dial(c);
    return 1;
}

static void go_on(struct connection *c) {
    static int (*const STEPS[])(struct connection *) = {shake, put, take, leave};
    int more;
    while ((more = STEPS[c->state](c)) > 0) {}
    if (!more) return;
    bad_conn++;
    hang_up(c);
    dial(c);
    go_on(c);
}

static int compare(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double share(double part) {
    return done ? took[(long)(part * (double)(done - 1))] / 1000.0 : 0;
}

static void build_request(const char *path, const char *headers) {
    char *body = calloc(1, IN);
    FILE *file = fopen(path, "rb");
    if (!file) quit("%s: %s", path, strerror(errno));
    int size = (int)fread(body, 1, IN - 1, file);
    fclose(file);
    request = malloc(HEAD * 2 + IN);
    request_size = sprintf(request,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost:%d\r\ncontent-type: application/json\r\n"
        "accept: */*\r\nuser-agent: tls_load/1\r\n%scontent-length: %d\r\n\r\n",
        ntohs(server.sin_port), headers, size);
    memcpy(request + request_size, body, (size_t)size);
    request_size += size;
    free(body);
}

static void set_up(void) {
    /* A server that has gone is counted, not died of. */
    signal(SIGPIPE, SIG_IGN);
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    took = malloc(sizeof *took * MOST);
    epoll = epoll_create1(0);
}

static void run(int connections, double warm, double seconds) {
    struct connection *all = calloc((size_t)connections, sizeof *all);
    struct epoll_event events[EVENTS];
    for (int i = 0; i < connections; i++) {
        dial(&all[i]);
        go_on(&all[i]);
    }
    int64_t start = now() + (int64_t)(warm * 1e9), end = start + (int64_t)(seconds * 1e9);
    double cpu = 0;
    for (int64_t at = now(); at < end; at = now()) {
        if (measured_from == INT64_MAX && at >= start) {
            measured_from = start = at;
            bad_conn = 0;
            cpu = cpu_seconds();
        }
        int ready = epoll_wait(epoll, events, EVENTS, 50);
        for (int i = 0; i < ready; i++) go_on(events[i].data.ptr);
    }
    double elapsed = (double)(now() - start) / 1e9;
    cpu = cpu_seconds() - cpu;
    qsort(took, (size_t)done, sizeof *took, compare);
    printf("{\"n\":%ld,\"rps\":%.1f,\"p50\":%.1f,\"p99\":%.1f,\"bad_status\":%ld,\"bad_conn\":%ld,"
           "\"busy\":%.3f,\"tls\":\"%s\",\"bad\":\"%s\"}\n",
        done, (double)done / elapsed, share(.5), share(.99), bad_status, bad_conn, cpu / elapsed, settled, bad);
}

int main(int argc, char **argv) {
    int option, port = 0, connections = 1;
    double warm = 1, seconds = 3;
    const char *body = NULL;
    char headers[HEAD] = "";
    while ((option = getopt(argc, argv, "p:c:d:w:b:H:k")) > 0) switch (option) {
        case 'p': port = atoi(optarg); break;
        case 'c': connections = atoi(optarg); break;
        case 'd': seconds = atof(optarg); break;
        case 'w': warm = atof(optarg); break;
        case 'b': body = optarg; break;
        case 'k': handshakes_only = 1; break;
        case 'H':
            if (strlen(headers) + strlen(optarg) + 3 > HEAD) quit("the headers are too long");
            strcat(strcat(headers, optarg), "\r\n");
            break;
        default: quit("unknown option");
        }
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (!port || connections < 1 || (!body && !handshakes_only)) quit("wants -p, -c and one of -b, -k");
    if (body) build_request(body, headers);
    set_up();
    run(connections, warm, seconds);
    return 0;
}
