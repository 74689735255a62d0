/* What a constant arrival rate costs on this machine before any HTTP: a GET for each arrival over 50 connections, sent when
 * a grid of 250 microseconds is reached, as kingtide's is, and its answer received and thrown away. But for the first bytes
 * of the status line nothing is read, and nothing is recorded. What is left is what the system asks for timers, for sleeping
 * and waking, and for the sockets.
 *
 *   floor PORT RATE SECONDS     prints how many answers there were, and how late the requests were at p99
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>

enum { CONNECTIONS = 50, EVENTS = 128 };
static const long long SECOND = 1000000000, GRID = 250000;
/* As long as what kingtide sends. */
static const char REQUEST[] = "GET / HTTP/1.1\r\nhost: 127.0.0.1:00000\r\nuser-agent: floor/00000000\r\n\r\n";

static void check(int ok, const char *what) {
  if (!ok) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
  }
}

static long long now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * SECOND + at.tv_nsec;
}

static void watch(int poll, int file) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = file};
  check(epoll_ctl(poll, EPOLL_CTL_ADD, file, &event) == 0, "epoll_ctl");
}

static int by_value(const void *one, const void *other) {
  const long long a = *(const long long *)one, b = *(const long long *)other;
  return (a > b) - (a < b);
}

static int connected(int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int one = 1, file = socket(AF_INET, SOCK_STREAM, 0);
  check(file >= 0 && connect(file, (struct sockaddr *)&to, sizeof to) == 0, "connect");
  check(setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0, "TCP_NODELAY");
  check(fcntl(file, F_SETFL, O_NONBLOCK) == 0, "O_NONBLOCK");
  return file;
}

int main(int count, char **args) {
  if (count != 4) {
    fputs("usage: floor PORT RATE SECONDS\n", stderr);
    return 2;
  }
  const long long gap = SECOND / atoi(args[2]), length = atoi(args[3]) * SECOND;
  long long *lags = calloc(length / gap + 1, sizeof *lags);
  check(lags != NULL, "memory");
  int poll = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  check(poll >= 0 && timer >= 0, "epoll and timerfd");
  watch(poll, timer);
  int idle[CONNECTIONS], idles = 0;
  for (; idles < CONNECTIONS; idles++) watch(poll, idle[idles] = connected(atoi(args[1])));

  static char answer[1 << 16];
  struct epoll_event events[EVENTS];
  long long sent = 0, received = 0, begun = now(), step = begun;
  for (long long at = begun; at < begun + length || received < sent; at = now()) {
    check(at < begun + length + 5 * SECOND, "answers are missing");
    if (at >= step) {
      for (; idles > 0 && at < begun + length && begun + sent * gap <= at; sent++) {
        lags[sent] = at - (begun + sent * gap);
        check(send(idle[--idles], REQUEST, sizeof REQUEST - 1, MSG_NOSIGNAL) == sizeof REQUEST - 1, "send");
      }
      const long long due = begun + sent * gap;
      step = due > at + GRID ? due : at + GRID;
      struct itimerspec when = {.it_value = {step / SECOND, step % SECOND}};
      check(timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL) == 0, "timerfd_settime");
    }
    int ready = epoll_wait(poll, events, EVENTS, -1);
    check(ready >= 0, "epoll_wait");
    for (int i = 0; i < ready; i++) {
      if (events[i].data.fd == timer) continue;
      ssize_t got = recv(events[i].data.fd, answer, sizeof answer, 0);
      check(got > 0 && strncmp(answer, "HTTP/1.1 200 ", 13) == 0, "an answer");
      received++;
      idle[idles++] = events[i].data.fd;
    }
  }
  qsort(lags, sent, sizeof *lags, by_value);
  printf("%lld answers, lag p99 %.3f ms\n", received, lags[sent * 99 / 100] / 1e6);
  return 0;
}
