// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>
#include <random>
#include <thread>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "parallel/canonical_sum.h"
#include "parallel/packed.h"

using namespace onestep;

namespace {

/// Terms of which every order of addition shows in the last bits.
std::vector<at::Tensor> rough_terms(int64_t n) {
  std::mt19937 draw(7);
  std::normal_distribution<float> normal;
  std::vector<at::Tensor> terms;
  for (int64_t i = 0; i < n; ++i) {
    std::vector<float> row(40);
    for (float& value : row) value = std::exp(3 * normal(draw)) * (draw() % 2 ? 1.f : -1.f);
    terms.push_back(at::tensor(row));
  }
  return terms;
}

/// The tree written out.
at::Tensor by_hand(const std::vector<at::Tensor>& t) {
  switch (t.size()) {
    case 1:
      return t[0];
    case 2:
      return t[0] + t[1];
    case 3:
      return (t[0] + t[1]) + t[2];
    case 4:
      return (t[0] + t[1]) + (t[2] + t[3]);
    case 5:
      return ((t[0] + t[1]) + (t[2] + t[3])) + t[4];
    case 6:
      return ((t[0] + t[1]) + (t[2] + t[3])) + (t[4] + t[5]);
    case 7:
      return ((t[0] + t[1]) + (t[2] + t[3])) + ((t[4] + t[5]) + t[6]);
    case 8:
      return ((t[0] + t[1]) + (t[2] + t[3])) + ((t[4] + t[5]) + (t[6] + t[7]));
    default:
      return by_hand({t.begin(), t.begin() + 8}) + t[8];
  }
}

at::Tensor one_after_the_other(const std::vector<at::Tensor>& terms) {
  at::Tensor sum = terms[0];
  for (size_t i = 1; i < terms.size(); ++i) sum = sum + terms[i];
  return sum;
}

at::Tensor summed(TreeSum& tree, const std::vector<at::Tensor>& terms, const std::vector<int64_t>& order) {
  tree.begin(static_cast<int64_t>(terms.size()));
  for (const int64_t i : order) tree.add(i, terms[i]);
  return tree.take().clone();
}

}  // namespace

TEST_CASE("The canonical sum is the tree that is split at the largest power of two below n") {
  for (int64_t n = 1; n <= 9; ++n) {
    const auto terms = rough_terms(n);
    CHECK(canonical_sum(terms).equal(by_hand(terms)));
  }
  const auto nine = rough_terms(9);
  CHECK_FALSE(one_after_the_other(nine).equal(by_hand(nine)));  // the terms tell one order from another
  CHECK_THROWS_WITH(canonical_sum({}), Catch::Contains("nothing to sum"));
}

TEST_CASE("A tree sum is canonical in whatever order its terms arrive, and again after that") {
  TreeSum tree;
  std::mt19937 draw(1);
  for (int64_t n = 1; n <= 17; ++n) {
    const auto terms = rough_terms(n);
    const at::Tensor expected = canonical_sum(terms);
    std::vector<int64_t> order(n);
    std::iota(order.begin(), order.end(), 0);
    for (int i = 0; i < 8; ++i) {
      CHECK(summed(tree, terms, order).equal(expected));
      std::ranges::shuffle(order, draw);
    }
    for (const at::Tensor& term : terms) CHECK(term.abs().sum().item<float>() > 0);  // read alone
  }
}

TEST_CASE("Terms may come from several threads at once") {
  const int64_t n = 64;
  const auto terms = rough_terms(n);
  const at::Tensor expected = canonical_sum(terms);
  TreeSum tree;
  for (int round = 0; round < 20; ++round) {
    tree.begin(n);
    {
      std::vector<std::jthread> threads;
      for (int64_t t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
          for (int64_t i = t; i < n; i += 4) tree.add(i, terms[i]);
        });
    }
    CHECK(tree.take().equal(expected));
  }
}

TEST_CASE("A sum whose terms are not all there is not given out; a begun one may be left") {
  TreeSum tree;
  const auto terms = rough_terms(3);
  tree.begin(3);
  tree.add(0, terms[0]);
  tree.add(2, terms[2]);
  CHECK_THROWS_WITH(tree.take(), Catch::Contains("not all 3 terms"));
  CHECK(summed(tree, terms, {2, 1, 0}).equal(canonical_sum(terms)));
  CHECK_THROWS_WITH(tree.begin(0), Catch::Contains("at least 1 term"));
}

namespace {

struct Report {
  at::Tensor sum, count, unused;
  template <class Self, class Visit>
  static void numbers(Self& r, Visit&& visit) {
    visit(r.sum);
    visit(r.count);
    visit(r.unused);
  }
};

}  // namespace

TEST_CASE("Reports are packed and unpacked by their numbers, dtypes and shapes") {
  const Report a{.sum = at::tensor({1.5f, 2.5f}).reshape({2, 1}), .count = at::tensor(int64_t{3}).squeeze()};
  const at::Tensor numbers = packed(a);
  CHECK(numbers.scalar_type() == at::kDouble);
  CHECK(numbers.equal(at::tensor({1.5, 2.5, 3.0}, at::kDouble)));
  const Report twice = unpacked(a, numbers * 2);
  CHECK(twice.sum.equal(a.sum * 2));
  CHECK(twice.count.item<int64_t>() == 6);
  CHECK(twice.count.scalar_type() == at::kLong);
  CHECK_FALSE(twice.unused.defined());
}
