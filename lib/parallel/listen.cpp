// SPDX-License-Identifier: Apache-2.0
#include "parallel/listen.h"

#include <arpa/inet.h>
#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace onestep {

int listen_at(const std::string& address, uint16_t port) {
  const int first = ::socket(AF_INET, SOCK_STREAM, 0);
  if (first < 0) return -1;
  // Where standard output is closed its number is free: not for this.
  const int socket = ::fcntl(first, F_DUPFD, 3);
  ::close(first);
  if (socket < 0) return -1;
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes,
               sizeof yes);  // one that was closed a moment ago is free
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(port);
  ::inet_pton(AF_INET, address.c_str(), &place.sin_addr);
  if (::bind(socket, reinterpret_cast<sockaddr*>(&place), sizeof place) == 0 &&
      ::listen(socket, SOMAXCONN) == 0)
    return socket;
  const int problem = errno;
  ::close(socket);
  errno = problem;
  return -1;
}

uint16_t port_of_socket(int socket) {
  sockaddr_in place{};
  socklen_t length = sizeof place;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&place), &length);
  return ntohs(place.sin_port);
}

}  // namespace onestep
