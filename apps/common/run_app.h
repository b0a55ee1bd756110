// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <stdexcept>

#include <CLI/CLI.hpp>

namespace onestep {

/// Work that was done, and whose result is worse than the user would have it (onestep-evaluate --fail-above).
class BelowStandard : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What every command does around its work: parses the command line into `app`'s options, prepares the
/// process (process.h), catches SIGINT, SIGTERM and SIGHUP (stop.h), calls `body`, and answers what it throws
/// with one printable line on standard error and an exit code:
///   0  done, --help, --version          CLI::Success
///   2  usage or configuration           CLI::ParseError, config::ConfigError
///   2  too little memory                io::TooLittleMemory, std::bad_alloc, and what LibTorch says of it
///   3  a file that is bad or unwritable io::FileError, filesystem_error; standard output that was lost
///   4  numerical failure                NumericalError
///   5  the result is not good enough    BelowStandard
///   6  another rank is gone, or silent   RankLost: the same command goes on from the last checkpoint
///   129, 130, 138, 143  interrupted     Interrupted, by the signal that came (hang-up, Ctrl-C, USR1, kill);
///                                       143 on a rank to which none came
///   1  anything else
/// What failed on another rank (RankFailed) has that one's code; it has said why.
int run_app(CLI::App& app, int argc, char** argv, const std::function<void()>& body);

}  // namespace onestep
