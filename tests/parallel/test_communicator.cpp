// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <csignal>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "forked_ranks.h"
#include "io/file_error.h"
#include "parallel/agreement.h"
#include "parallel/canonical_sum.h"
#include "parallel/deal.h"

using namespace onestep;
using namespace onestep::test;

namespace {

/// Numbers of which every order of addition shows: those of a rank, or of a shard.
at::Tensor rough(int64_t number, int64_t n) {
  const at::Tensor place = at::arange(n, at::kDouble) + 1;
  return ((place * (number + 3)).sin() * (place * 0.7 + static_cast<double>(number)).cos().exp2() * 1e3)
      .to(at::kFloat);
}

}  // namespace

TEST_CASE("A group of one is nobody: all functions are the identity") {
  const Communicator alone;
  const at::Tensor numbers = rough(0, 5);
  const at::Tensor copy = numbers.clone();
  all_reduce(alone, copy);
  broadcast(alone, copy);
  CHECK(copy.equal(numbers));
  CHECK(gather(alone, numbers, {5}).is_same(numbers));
  CHECK(broadcast(alone, 7) == 7);
  CHECK_FALSE(any(alone, false));
  agree(alone, {{"seed", "1"}});
  StopFlag flag(alone);
  CHECK(flag.heard(true));
  CHECK(connect({}, std::chrono::seconds(1)).size == 1);
}

TEST_CASE("all_reduce is the canonical sum of the ranks' tensors, on all of them, in every bit") {
  const int size = GENERATE(2, 3, 4);
  CHECK(forked_ranks(size, [&](const Communicator& c) {
          for (const int64_t n : {1, 2, 3, 4, 5, 64, 1000, 4097}) {
            std::vector<at::Tensor> all;
            for (int rank = 0; rank < size; ++rank) all.push_back(rough(rank, n));
            const at::Tensor sum = all[c.rank].clone();
            all_reduce(c, sum);
            require(sum.equal(canonical_sum(all)), "sum of " + std::to_string(n));
          }
        }) == all_well(size));
}

TEST_CASE("What ranks make of their shards is the sum of all shards, whatever their number") {
  for (const auto& [shards, size] : {std::pair<int64_t, int>{4, 2}, {12, 3}, {7, 2}, {7, 4}, {5, 3}}) {
    INFO(shards << " shards, " << size << " ranks");
    CHECK(forked_ranks(size, [&, shards = shards, size = size](const Communicator& c) {
            std::vector<at::Tensor> all, mine;
            for (int64_t shard = 0; shard < shards; ++shard) all.push_back(rough(shard, 333));
            const Share share = share_of_step(shards, c.rank, size);
            for (int64_t i = 0; i < share.count; ++i) mine.push_back(all[share.first + i]);
            const at::Tensor sum = canonical_sum(mine).clone();
            all_reduce(c, sum);
            require(sum.equal(canonical_sum(all)), "the sum");
          }) == all_well(size));
  }
}

TEST_CASE("Rows go from ranks to all, to the first and back, in every dtype") {
  const int size = GENERATE(2, 4);
  CHECK(forked_ranks(size, [&](const Communicator& c) {
          for (const at::ScalarType dtype :
               {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf, at::kLong, at::kInt, at::kByte}) {
            std::vector<int64_t> rows;  // none on the first, two on the others but the last
            std::vector<at::Tensor> parts;
            for (int rank = 0; rank < size; ++rank) {
              rows.push_back(rank == 0 ? 0 : rank == size - 1 ? 1 : 2);
              parts.push_back(at::full({rows.back(), 3}, rank + 1, dtype));
            }
            const at::Tensor all = at::cat(parts);
            require(gather(c, parts[c.rank], rows).equal(all), "gather");
            const at::Tensor first = gather_on_first(c, parts[c.rank], rows);
            require(c.rank == 0 ? first.equal(all) : !first.defined(), "gather_on_first");
            const at::Tensor back = scatter_from_first(c, first, parts[c.rank], rows);
            require(back.equal(parts[c.rank]), "scatter_from_first");
            const at::Tensor told = at::full({3, 2}, c.rank, dtype);
            broadcast(c, told);
            require(told.equal(at::zeros({3, 2}, dtype)), "broadcast");
          }
          require(broadcast(c, 40 + c.rank) == 40, "a number");
          require(any(c, c.rank == size - 1) && !any(c, false), "any");
          const auto texts = gather_texts(c, std::string(c.rank, 'x'));
          for (int rank = 0; rank < size; ++rank) require(texts[rank] == std::string(rank, 'x'), "texts");
          const at::Tensor columns = at::arange(6, at::kFloat).view({2, 3}).t() * (c.rank + 1);
          broadcast(c, columns);
          require(columns.equal(at::arange(6, at::kFloat).view({2, 3}).t()), "strided");
          require(seconds_in_communication(c) > 0, "seconds");
        }) == all_well(size));
}

TEST_CASE("A wish to stop is heard by all ranks at the same call, the one after it") {
  CHECK(forked_ranks(3, [](const Communicator& c) {
          StopFlag flag(c);
          for (int step = 0; step < 6; ++step) {
            const bool heard = flag.heard(c.rank == 1 && step >= 3);
            require(heard == (step >= 4), "step " + std::to_string(step));
          }
        }) == all_well(3));
}

TEST_CASE("What fails on one rank fails on all, and one of them says why") {
  CHECK(forked_ranks(3, [](const Communicator& c) {
          together(c, [] {});
          try {
            together(c, [&] {
              if (c.rank == 1) throw io::FileError("a.bin", "is not there");
            });
          } catch (const RankFailed& error) {
            require(c.rank != 1 && error.kind() == FailureKind::file, "kind");
            require(std::string(error.what()) == "rank 1: a.bin: is not there", error.what());
          } catch (const io::FileError&) {
            require(c.rank == 1, "its own error");
          }
          together(c, [] { throw config::ConfigError("everybody"); });
        }) == std::vector<int>{kConfig, kFailedElsewhere, kFailedElsewhere});
}

TEST_CASE("Ranks that disagree are told which, and in what") {
  CHECK(forked_ranks(3, [](const Communicator& c) {
          agree(c, {{"seed", "5"}, {"data", "a"}});
          try {
            agree(c, {{"seed", c.rank == 2 ? "6" : "5"}, {"data", "a"}});
          } catch (const config::ConfigError& error) {
            require(c.rank == 0, "rank 0 tells");
            require(std::string(error.what()) == "rank 2 differs from rank 0 in seed (6, not 5)",
                    error.what());
            throw;
          }
        }) == std::vector<int>{kConfig, kFailedElsewhere, kFailedElsewhere});
}

TEST_CASE("A rank that dies is missed by the others at once") {
  const int dying = GENERATE(0, 1, 2);
  const auto start = std::chrono::steady_clock::now();
  std::vector<int> ends(3, kLost);
  ends[dying] = kKilled;
  CHECK(forked_ranks(3, [&](const Communicator& c) {
          const at::Tensor numbers = rough(c.rank, 1000);
          for (int step = 0;; ++step) {
            if (c.rank == dying && step == 3) raise(SIGKILL);
            all_reduce(c, numbers);
          }
        }) == ends);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));  // the patience is twice that
}

TEST_CASE("A rank that hangs counts as lost when the patience is over") {
  CHECK(forked_ranks(
            2,
            [](const Communicator& c) {
              all_reduce(c, rough(c.rank, 10));
              if (c.rank == 1) raise(SIGSTOP);
              try {
                all_reduce(c, rough(c.rank, 10));
              } catch (const RankLost&) {
                kill(0, SIGCONT);
                throw;
              }
            },
            5)
            .front() == kLost);
}

TEST_CASE("A port that is taken and a store that is not there are told as such") {
  const int taken = listen_at("127.0.0.1", 0);
  Ranks ranks{.rank = 0, .size = 2, .address = "127.0.0.1", .port = port_of_socket(taken)};
  CHECK_THROWS_WITH(connect(ranks, std::chrono::seconds(1)), Catch::Contains("cannot listen at 127.0.0.1:"));
  ::close(taken);
  ranks.rank = 1;
  CHECK_THROWS_AS(connect(ranks, std::chrono::seconds(1)), config::ConfigError);
  ranks.rank = 0;  // nobody else comes
  CHECK_THROWS_WITH(connect(ranks, std::chrono::seconds(1)), "rank 1 of 2 did not come within 1 s");
}
