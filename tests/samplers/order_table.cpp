// SPDX-License-Identifier: Apache-2.0
// Prints the table of lib/samplers/README.md: measured orders and network calls.
#include <cstdio>

#include "samplers/orders.h"

using namespace onestep;

namespace {

/// "N", "2N − 1": the straight line through two counts.
std::string formula(const Solver& solver) {
  const int64_t at_10 = orders::network_calls(solver, 10), at_20 = orders::network_calls(solver, 20);
  const int64_t each = (at_20 - at_10) / 10, more = at_10 - 10 * each;
  const std::string sign = more < 0 ? " − " : " + ";
  return (each == 1 ? "" : std::to_string(each)) + "N" + (more ? sign + std::to_string(std::abs(more)) : "");
}

}  // namespace

int main() {
  std::puts("| name | order, even grid | order, Karras grid | network calls, N steps |\n|---|---|---|---|");
  const orders::Truth truth = orders::truth(toys::Mixture{});
  for (const orders::Claim& claim : orders::claims()) {
    const Solver solver = parse_solver(claim.name);
    std::printf("| `%s` | %.1f | %.1f | %s |\n", claim.name.c_str(),
                orders::measured_order(solver, truth, orders::Spacing::even),
                orders::measured_order(solver, truth, orders::Spacing::karras), formula(solver).c_str());
  }
}
