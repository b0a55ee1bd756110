// SPDX-License-Identifier: Apache-2.0
#include "apps/common/run_app.h"

#include <cstdio>
#include <filesystem>
#include <new>
#include <string>

#include <c10/util/Exception.h>

#include "apps/common/process.h"
#include "apps/common/stop.h"
#include "apps/common/torn_file.h"
#include "config/node.h"
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

/// One line, whatever the message: c10 appends where an error was thrown, CLI11 breaks lines.
int report(const CLI::App& app, const std::string& message, int code) {
  const std::string line = message.substr(0, message.find('\n'));
  std::fprintf(stderr, "%s: %s\n", app.get_name().c_str(), line.empty() ? "unknown error" : line.c_str());
  return code;
}

}  // namespace

int run_app(CLI::App& app, int argc, char** argv, const std::function<void()>& body) {
  try {
    app.set_version_flag("--version", version());
    app.parse(argc, argv);
    prepare_process();
    catch_stop_signals();
    catch_torn_files();
    body();
    return kDone;
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return report(app, error.what(), kUsage);
  } catch (const config::ConfigError& error) {
    return report(app, error.what(), kUsage);
  } catch (const io::FileError& error) {
    return report(app, error.what(), kFile);
  } catch (const NumericalError& error) {
    return report(app, error.what(), kNumerical);
  } catch (const BelowStandard& error) {
    return report(app, error.what(), kBelowStandard);
  } catch (const Interrupted& error) {
    return report(app, error.what(), kSignal + stop_signal());
  } catch (const c10::Error& error) {
    return report(app, error.what_without_backtrace(), kOther);
  } catch (const std::bad_alloc&) {
    return report(app, "out of memory", kOther);
  } catch (const std::exception& error) {
    return report(app, error.what(), kOther);
  }
}

}  // namespace onestep
