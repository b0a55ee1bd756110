// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "apps/common/process.h"
#include "apps/common/run_app.h"
#include "apps/common/stop.h"
#include "config/node.h"
#include "io/file_error.h"
#include "io/numerical_error.h"
#include "kernels/philox.h"

using namespace onestep;

namespace {

int exit_code(const std::function<void()>& body, std::vector<std::string> arguments = {}) {
  CLI::App app("test", "test");
  int number = 0;
  app.add_option("--number", number);
  arguments.insert(arguments.begin(), "test");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  return run_app(app, static_cast<int>(argv.size()), argv.data(), body);
}

}  // namespace

TEST_CASE("what a command's body throws becomes its exit code") {
  CHECK(exit_code([] {}) == 0);
  CHECK(exit_code([] { throw config::ConfigError("x"); }) == 2);
  CHECK(exit_code([] { throw io::FileError("x", "y"); }) == 3);
  CHECK(exit_code([] { std::filesystem::create_directories("/dev/null/x"); }) == 3);
  CHECK(exit_code([] { throw NumericalError("x"); }) == 4);
  CHECK(exit_code([] { TORCH_CHECK(false, "x"); }) == 1);
  CHECK(exit_code([] { throw std::bad_alloc(); }) == 1);
  CHECK(exit_code([] { throw std::runtime_error(""); }) == 1);
}

TEST_CASE("the command line is parsed before the body runs") {
  const auto never = [] { FAIL("the body ran"); };
  CHECK(exit_code(never, {"--nubmer", "3"}) == 2);
  CHECK(exit_code(never, {"--number", "three"}) == 2);
  CHECK(exit_code(never, {"--help"}) == 0);
  CHECK(exit_code(never, {"--version"}) == 0);
}

TEST_CASE("a noted signal is the exit code of the interrupted work") {
  const auto interrupted = [](int signal) {
    return exit_code([signal] {
      std::raise(signal);
      if (stop_signal() != 0) throw Interrupted("stopped");
    });
  };
  CHECK(interrupted(SIGTERM) == 143);
  CHECK(interrupted(SIGINT) == 130);
}

TEST_CASE("threads and devices") {
  CHECK(use_threads(3) == 3);
  CHECK(use_threads(0) >= 1);
  setenv("OMP_NUM_THREADS", "2", 1);
  CHECK(use_threads(0) == 2);
  setenv("OMP_NUM_THREADS", "some", 1);
  CHECK(use_threads(0) >= 1);
  setenv("OMP_NUM_THREADS", "1", 1);  // as for all tests
  CHECK(open_device("cpu").is_cpu());
  for (const char* name : {"", "CPU", "cuda:", "cuda:x", "cuda:-1", "cuda:100", "mps"})
    CHECK_THROWS_AS(open_device(name), config::ConfigError);
}

TEST_CASE("matrix products have the same bits wherever their operands lie in memory") {
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    for (const int64_t rows : {7, 50, 300, 1001}) {
      for (const int64_t d : {3, 6, 17, 64, 131}) {
        const at::Tensor a = kernels::philox_normal(1, 1, at::arange(rows), {d}, at::kCPU, dtype);
        const at::Tensor gram = a.t().matmul(a), outer = a.matmul(a.t()), line = a.t().matmul(a.select(1, 0));
        for (int64_t offset = 1; offset < 16; ++offset) {
          const at::Tensor b =
              at::empty({offset + a.numel()}, a.options()).slice(0, offset).view({rows, d}).copy_(a);
          INFO(dtype << " [" << rows << ", " << d << "], " << offset << " elements further");
          CHECK(b.t().matmul(b).equal(gram));
          CHECK(b.t().matmul(a).equal(gram));
          CHECK(b.matmul(b.t()).equal(outer));
          CHECK(b.t().matmul(b.select(1, 0)).equal(line));
        }
      }
    }
  }
}

TEST_CASE("the user's own choice for matrix products stays") {
  setenv("MKL_CBWR", "AVX512,STRICT", 1);
  CHECK(exit_code([] { CHECK(std::string(std::getenv("MKL_CBWR")) == "AVX512,STRICT"); }) == 0);
  unsetenv("MKL_CBWR");
  CHECK(exit_code([] { CHECK(std::string(std::getenv("MKL_CBWR")) == "AVX2,STRICT"); }) == 0);
}
