// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <cstdlib>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "temporary_folder.h"

namespace onestep::test {

/// How a command ended, and what it said.
struct Said {
  int code;
  std::string out, err;
};

/// Runs one of the project's commands, "onestep-train x.yaml …", to its end.
inline Said run_command(const std::string& command) {
  const TemporaryFolder folder;
  const std::string out = (folder / "out").string(), err = (folder / "err").string();
  const int status =
      std::system((std::string(ONESTEP_BIN) + "/" + command + " >" + out + " 2>" + err).c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_bytes(out), read_bytes(err)};
}

/// The same, with `signal` sent as soon as `ready()` holds (or after a minute).
template <class Ready>
Said run_interrupted(const std::string& command, const std::string& signal, Ready ready) {
  const TemporaryFolder folder;
  const std::string pid = (folder / "pid").string();
  std::jthread killer([&] {
    for (int i = 0; i < 6000 && !ready(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    if (std::system(("kill -" + signal + " $(cat " + pid + ")").c_str()) != 0) return;
  });
  const std::string out = (folder / "out").string(), err = (folder / "err").string();
  const std::string line =
      "sh -c 'echo $$ > " + pid + "; exec " + ONESTEP_BIN + "/" + command + "' >" + out + " 2>" + err;
  const int status = std::system(line.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_bytes(out), read_bytes(err)};
}

inline int64_t lines_of(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n');
}

}  // namespace onestep::test
