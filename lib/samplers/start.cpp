// SPDX-License-Identifier: Apache-2.0
#include "samplers/start.h"

#include <cmath>

#include <c10/util/Exception.h>

#include "config/named_rows.h"

namespace onestep {
namespace {

double vp_scale(double sigma) {
  return std::sqrt(1 + sigma * sigma);
}

double flow_scale(double sigma) {
  return 1 + sigma;
}

struct Row {
  const char* name;
  double (*start)(double sigma);
  double (*end)(double sigma);
};

constexpr Row kRows[] = {
    {"scaled", [](double sigma) { return sigma; }, [](double) { return 1.0; }},
    {"vp", vp_scale, vp_scale},
    {"flow", flow_scale, flow_scale},
};

const Row& row_of(const std::string& start) {
  const Row* const row = config::find_row(kRows, start);
  TORCH_CHECK(row != nullptr, "no start named '", start, "'");
  return *row;
}

}  // namespace

std::vector<std::string> start_names() {
  return config::names_of(kRows);
}

double start_scale(const std::string& start, double sigma) {
  return row_of(start).start(sigma);
}

double end_scale(const std::string& start, double sigma) {
  return row_of(start).end(sigma);
}

}  // namespace onestep
