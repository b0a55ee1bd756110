// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace onestep::io {

/// Where progress is shown and what the time is.
struct ProgressOutput {
  std::function<void(std::string_view)> write;
  std::function<double()> now;    ///< seconds, from any origin, never going back
  std::function<size_t()> width;  ///< columns of the terminal
  bool terminal =
      false;  ///< a line that is drawn over, about 10 times a second; else a plain line every 10 s
};

/// Standard error, where not errors alone are told (log.h), and a steady clock.
ProgressOutput standard_error();

/// What a line of progress says.
struct ProgressState {
  std::string title;
  int64_t done = 0, total = 0;
  double rate = 0.0;      ///< images a second, lately; 0 when not known yet
  double elapsed = 0.0;   ///< seconds since the start
  bool finished = false;  ///< the last line: it tells the time taken instead of the time left
  std::string status;     ///< free text: losses, learning rate
};

/// "0:42", "12:05", "3:07:09", "2 d 03:07:09"; halves of a second round up; "?" for what is not finite or
/// negative.
std::string format_duration(double seconds);

/// 1234567 as "1,234,567".
std::string format_count(int64_t count);

/// "train  [####......]  45%  1,234 images/s  ETA 0:42  loss 0.43", at most `width` columns: the bar shrinks
/// to make room for the status, then goes, and then the end of the line is cut.
std::string progress_bar(const ProgressState& state, size_t width);

/// "train  45%  4,500 of 10,000 images  1,234 images/s  ETA 0:42  loss 0.43"
std::string progress_line(const ProgressState& state);

/// Shows how far a stage of `total` images has come. A resumed stage starts at `done` > 0; images done before
/// do not count as speed. update() is cheap enough to be called every batch. For use from one thread.
class Progress {
 public:
  Progress(std::string title, int64_t total, int64_t done = 0, ProgressOutput output = standard_error());
  ~Progress();  ///< finish(), should it not have been called
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` of all images, those before a resume included. `status` stays until another one comes.
  void update(int64_t done, std::string_view status = {});
  /// Leaves one last line, whether or not everything was done. Further calls do nothing.
  void finish();

 private:
  void draw();

  ProgressOutput output_;
  ProgressState state_;
  int64_t done_at_start_;
  double started_, drawn_ = -1e300;
  std::deque<std::pair<double, int64_t>> recent_;  // (time, done): what the rate is measured over
};

}  // namespace onestep::io
