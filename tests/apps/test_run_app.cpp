// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <new>
#include <string>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "apps/common/process.h"
#include "apps/common/run_app.h"
#include "apps/common/stop.h"
#include "apps/common/torn_file.h"
#include "config/node.h"
#include "io/file_error.h"
#include "io/memory.h"
#include "io/numerical_error.h"
#include "io/system_error.h"
#include "kernels/philox.h"
#include "sanitized.h"
#include "temporary_folder.h"

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

/// The exit code, and what was written to standard error.
std::pair<int, std::string> said_by(const std::function<void()>& body) {
  const TemporaryFolder folder;
  const std::string path = (folder / "err").string();
  std::fflush(stderr);
  const int kept = dup(STDERR_FILENO);
  const int file = open(path.c_str(), O_WRONLY | O_CREAT, 0600);
  dup2(file, STDERR_FILENO);
  close(file);
  const int code = exit_code(body);
  std::fflush(stderr);
  dup2(kept, STDERR_FILENO);
  close(kept);
  std::string said = read_bytes(path);
  // The address sanitizer has a line of its own for memory that there isn't.
  while (kAddressSanitizer && said.starts_with("==")) said.erase(0, said.find('\n') + 1);
  return {code, said};
}

}  // namespace

TEST_CASE("what a command's body throws becomes its exit code") {
  CHECK(exit_code([] {}) == 0);
  CHECK(exit_code([] { throw config::ConfigError("x"); }) == 2);
  CHECK(exit_code([] { throw io::FileError("x", "y"); }) == 3);
  CHECK(exit_code([] { std::filesystem::create_directories("/dev/null/x"); }) == 3);
  CHECK(exit_code([] { throw NumericalError("x"); }) == 4);
  CHECK(exit_code([] { TORCH_CHECK(false, "x"); }) == 1);
  CHECK(exit_code([] { throw std::runtime_error(""); }) == 1);
}

TEST_CASE("too little memory ends in one line with what was wanted, how much is free and the cure") {
  const auto [code, line] = said_by([] { at::empty({1, int64_t{1} << 50}, at::kFloat); });
  CHECK(code == 2);
  CHECK_THAT(line, Catch::StartsWith("test: out of memory: 4.0 PiB were wanted, "));
  CHECK_THAT(line, Catch::Contains(" are free; lower the batch (run.batch, run.micro_batch, --batch)"));
  CHECK(std::count(line.begin(), line.end(), '\n') == 1);
  for (const std::function<void()>& body :
       std::vector<std::function<void()>>{[] { throw std::bad_alloc(); },
                                          [] {
                                            at::empty({int64_t{1} << 40, int64_t{1} << 40}, at::kFloat);
                                          },
                                          [] { throw std::system_error(EAGAIN, std::generic_category()); },
                                          [] { TORCH_CHECK_WITH(OutOfMemoryError, false, "any text"); }}) {
    const auto [other_code, other_line] = said_by(body);
    CHECK(other_code == 2);
    CHECK_THAT(other_line, Catch::StartsWith("test: out of memory: ") && Catch::Contains("lower the batch"));
  }
}

TEST_CASE("too little memory keeps the words that say what for") {
  CHECK(said_by([] { throw io::TooLittleMemory("FID of 9 features needs much"); }) ==
        std::pair<int, std::string>(2, "test: FID of 9 features needs much\n"));
  CHECK(said_by([] { throw io::SystemError("a.npz", "cannot be mapped", ENOMEM); }) ==
        std::pair<int, std::string>(2, "test: a.npz: cannot be mapped: Cannot allocate memory\n"));
  const auto [code, line] = said_by([] {
    TORCH_CHECK_WITH(OutOfMemoryError, false,
                     "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 4 GiB");
  });
  CHECK(code == 2);
  CHECK_THAT(line,
             Catch::StartsWith("test: CUDA out of memory. Tried to allocate 2.00 GiB; lower the batch"));
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

TEST_CASE("threads that the system refuses are told before any work") {
  if (kAddressSanitizer) {
    WARN("skipped: the address sanitizer needs more address space than the limit leaves");
    return;
  }
  rlimit old{};
  REQUIRE(getrlimit(RLIMIT_AS, &old) == 0);
  const rlimit lower{rlim_t{1} << 32, old.rlim_max};  // enough for the tests, not for 4096 stacks
  REQUIRE(setrlimit(RLIMIT_AS, &lower) == 0);
  const auto [code, line] = said_by([] { use_threads(4096); });
  REQUIRE(setrlimit(RLIMIT_AS, &old) == 0);
  CHECK(code == 2);
  CHECK_THAT(line, Catch::StartsWith("test: 4096 threads: only ") && Catch::Contains("lower run.workers"));
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

TEST_CASE("a mapped file that is shortened while it is read ends a command with exit 3 and its name") {
  const TemporaryFolder folder;
  const std::string file = (folder / "model file").string(), said = (folder / "said").string();
  write_bytes(file, std::string(100'000, 'x'));
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(::open(said.c_str(), O_WRONLY | O_CREAT, 0600), STDERR_FILENO);
    catch_torn_files();
    const void* start = ::mmap(nullptr, 100'000, PROT_READ, MAP_PRIVATE, ::open(file.c_str(), O_RDONLY), 0);
    const bool cut = ::truncate(file.c_str(), 10) == 0;
    ::_exit(cut ? static_cast<const volatile char*>(start)[50'000] : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 3);
  CHECK(read_bytes(said) == file + ": changed while it was read\n");
}
