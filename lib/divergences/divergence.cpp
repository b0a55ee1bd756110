// SPDX-License-Identifier: Apache-2.0
#include "divergences/divergence.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/log.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/square.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include "config/named_rows.h"
#include "config/suggest.h"

namespace onestep {
namespace {

using R = const at::Tensor&;
using A = double;

// clang-format off: the rows read as a table (lib/losses/README.md §1)
constexpr Divergence kTable[] = {
    // name, meaning and f(r)
    //   f(r)
    //   h(r) = r² f″(r)
    //   r h′(r)
    {"reverse_kl", "KL(q‖p), mode seeking: f = -ln r", [](R r, A) { return -log(r); },
     [](R r, A) { return ones_like(r); }, [](R r, A) { return zeros_like(r); }},

    {"forward_kl", "KL(p‖q), mode covering: f = r ln r", [](R r, A) { return r * log(r); },
     [](R r, A) { return r; }, [](R r, A) { return r; }},

    {"jensen_shannon", "twice Jensen-Shannon: f = r ln r - (r+1) ln((r+1)/2)",
     [](R r, A) { return r * log(r) - (r + 1) * log((r + 1) / 2); }, [](R r, A) { return r / (r + 1); },
     [](R r, A) { return r / square(r + 1); }},

    {"jeffreys", "KL(p‖q) + KL(q‖p): f = (r-1) ln r", [](R r, A) { return (r - 1) * log(r); },
     [](R r, A) { return 1 + r; }, [](R r, A) { return r; }},

    {"softened_reverse_kl", "twice KL((p+q)/2 ‖ p): f = (r+1) ln(1/2 + 1/(2r))",
     [](R r, A) { return (r + 1) * log(0.5 + 0.5 / r); }, [](R r, A) { return 1 / (1 + r); },
     [](R r, A) { return -r / square(1 + r); }},

    {"squared_hellinger", "f = (sqrt(r) - 1)^2", [](R r, A) { return square(sqrt(r) - 1); },
     [](R r, A) { return sqrt(r) / 2; }, [](R r, A) { return sqrt(r) / 4; }},

    {"pearson_chi2", "chi-square against q: f = (r-1)^2", [](R r, A) { return square(r - 1); },
     [](R r, A) { return 2 * square(r); }, [](R r, A) { return 4 * square(r); }},

    {"neyman_chi2", "chi-square against p: f = (1-r)^2 / r", [](R r, A) { return square(1 - r) / r; },
     [](R r, A) { return 2 / r; }, [](R r, A) { return -2 / r; }},

    {"le_cam", "triangular discrimination: f = (r-1)^2 / (r+1)",
     [](R r, A) { return square(r - 1) / (r + 1); }, [](R r, A) { return 8 * square(r) / pow(r + 1, 3); },
     [](R r, A) { return 8 * square(r) * (2 - r) / pow(r + 1, 4); }},

    {"alpha", "the family h = r^a, a not 0 or 1: f = (r^a - a r + a - 1) / (a (a-1))",
     [](R r, A a) { return (pow(r, a) - a * r + (a - 1)) / (a * (a - 1)); },
     [](R r, A a) { return pow(r, a); }, [](R r, A a) { return a * pow(r, a); }},
};
// clang-format on

}  // namespace

std::span<const Divergence> divergences() {
  return kTable;
}

std::vector<std::string> divergence_names() {
  return config::names_of(kTable);
}

const Divergence& find_divergence(const std::string& name) {
  const Divergence* const row = config::find_row(kTable, name);
  TORCH_CHECK(row != nullptr, "unknown divergence '", name, "'",
              config::suggestion(name, divergence_names(), "known"));
  return *row;
}

at::Tensor divergence_weight(const DivergenceConfig& divergence, const at::Tensor& r) {
  return find_divergence(divergence.name).h(r.detach(), divergence.alpha);
}

DivergenceWeights divergence_weights(const DivergenceConfig& divergence, const at::Tensor& r) {
  const Divergence& row = find_divergence(divergence.name);
  const c10::AutoGradMode differentiate(true);
  const at::Tensor at_r = r.detach().clone().set_requires_grad(true);
  const at::Tensor rh_prime = row.rh_prime(at_r, divergence.alpha);
  // 0·r: the constant of reverse KL has a derivative too.
  const at::Tensor slope = torch::autograd::grad({(rh_prime + 0 * at_r).sum()}, {at_r}).front();
  return {.h = row.h(at_r, divergence.alpha).detach(),
          .rh_prime = rh_prime.detach(),
          .r2h_second = (at_r * slope - rh_prime).detach()};
}

}  // namespace onestep
