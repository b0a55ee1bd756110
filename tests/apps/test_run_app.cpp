// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <new>

#include <ATen/Context.h>
#include <c10/util/Exception.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "apps/common/process.h"
#include "apps/common/run_app.h"
#include "apps/common/stop.h"
#include "config/node.h"
#include "io/file_error.h"
#include "io/numerical_error.h"

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

TEST_CASE("a command computes in whole float32 on every device") {
  at::globalContext().setAllowTF32CuDNN(true);  // LibTorch's default
  exit_code([] {
    CHECK(!at::globalContext().allowTF32CuDNN());
    CHECK(!at::globalContext().allowTF32CuBLAS());
  });
}
