// SPDX-License-Identifier: Apache-2.0
#include "apps/common/run_app.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <new>
#include <string>
#include <system_error>

#include <c10/util/Exception.h>

#include "apps/common/process.h"
#include "apps/common/stop.h"
#include "config/node.h"
#include "config/printable.h"
#include "io/file_error.h"
#include "io/numerical_error.h"

namespace onestep {
namespace {

enum ExitCode {
  kDone = 0,
  kOther = 1,
  kUsage = 2,
  kFile = 3,
  kNumerical = 4,
  kBelowStandard = 5,
  kSignal = 128
};

int report(const CLI::App& app, const std::string& message, int code) {
  const std::string line = config::printable(message);
  std::fprintf(stderr, "%s: %s\n", app.get_name().c_str(), line.empty() ? "unknown error" : line.c_str());
  return code;
}

/// c10 appends where an error was thrown, on lines of their own.
std::string first_line(const std::string& message) {
  return message.substr(0, message.find('\n'));
}

/// 0, or the error of results that did not reach standard output: a full disk, a closed descriptor.
int finish_output(const CLI::App& app) {
  errno = 0;
  const bool lost = !std::cout.flush() || std::fflush(stdout) != 0 || std::ferror(stdout) != 0;
  if (!lost) return kDone;
  const std::string why = errno == 0 ? "" : ": " + std::generic_category().message(errno);
  return report(app, "standard output: cannot be written" + why, kFile);
}

}  // namespace

int run_app(CLI::App& app, int argc, char** argv, const std::function<void()>& body) {
  try {
    app.set_version_flag("--version", version());
    app.parse(argc, argv);
    prepare_process();
    catch_stop_signals();
    body();
    return finish_output(app);
  } catch (const CLI::Success& success) {
    app.exit(success);
    return finish_output(app);
  } catch (const CLI::ParseError& error) {
    return report(app, error.what(), kUsage);
  } catch (const config::ConfigError& error) {
    return report(app, error.what(), kUsage);
  } catch (const io::FileError& error) {
    return report(app, error.what(), kFile);
  } catch (const std::filesystem::filesystem_error& error) {
    const std::string why = error.code().message();
    return report(app, error.path1().empty() ? why : error.path1().string() + ": " + why, kFile);
  } catch (const NumericalError& error) {
    return report(app, error.what(), kNumerical);
  } catch (const BelowStandard& error) {
    return report(app, error.what(), kBelowStandard);
  } catch (const Interrupted& error) {
    return report(app, error.what(), kSignal + stop_signal());
  } catch (const c10::Error& error) {
    return report(app, first_line(error.what_without_backtrace()), kOther);
  } catch (const std::bad_alloc&) {
    return report(app, "out of memory", kOther);
  } catch (const std::exception& error) {
    return report(app, first_line(error.what()), kOther);
  }
}

}  // namespace onestep
