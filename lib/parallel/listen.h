// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

namespace onestep {

/// A socket that is bound to an address of this machine, "127.0.0.1", and a port of it (0: one that is free).
/// -1 where the system refuses, and errno says why.
int listen_at(const std::string& address, uint16_t port);

/// The port that a socket of listen_at has.
uint16_t port_of_socket(int socket);

}  // namespace onestep
