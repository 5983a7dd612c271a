// Threads that share the work of an operation.
//
// XLA's own threads, and those of OpenMP, sleep between two operations; on a virtual machine one then needs longer to
// wake (30 to 100 us) than many operations take. These look for work for a moment before they sleep, and give the core
// away to whatever else wants it meanwhile. No operation ever waits for one to wake: its caller does what nobody took.
#pragma once

#include <omp.h>
#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace jaxdl {

// The most shares that some work is divided into.
constexpr int64_t kMostShares = 256;

// The core on which the calling thread runs; -1 where that is not known.
inline int CoreNow() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

// Work in shares. Each thread has one of its own, the same in every call, so that a core finds what it needs in its
// cache; and then does those that nobody took.
class Shared {
 public:
  Shared(int64_t count, const std::function<void(int64_t)>& body) : count_(count), body_(body) {}

  // Called by each thread with the number of its own share.
  void Work(int64_t own) {
    // On threads that were divided among the shares oneDNN divides no further.
    static thread_local const bool alone = (omp_set_num_threads(1), true);
    static_cast<void>(alone);
    for (int64_t turn = 0; turn < count_; turn++) {
      const int64_t share = (own + turn) % count_;
      if (taken_[share].exchange(true)) continue;
      try {
        body_(share);
      } catch (...) {
        const std::lock_guard<std::mutex> guard(mutex_);
        problem_ = std::current_exception();
      }
    }
  }
  // Of all threads that worked; called when none does any more.
  void Rethrow() const {
    if (problem_) std::rethrow_exception(problem_);
  }

 private:
  const int64_t count_;
  const std::function<void(int64_t)>& body_;
  std::atomic<bool> taken_[kMostShares] = {};
  std::mutex mutex_;
  std::exception_ptr problem_;
};

class Member {
 public:
  explicit Member(int64_t own) : own_(own) {
    std::thread thread([this] { Live(); });
    handle_ = thread.native_handle();
    thread.detach();
  }

  // Returns whether the member was free; it then sees the work at once, or when it has woken.
  bool Offer(Shared* work, int core_of_caller) {
    uintptr_t none = 0;
    if (!box_.compare_exchange_strong(none, Posted(work))) return false;
    KeepOff(core_of_caller);
    if (asleep_.load()) {
      const std::lock_guard<std::mutex> guard(mutex_);
      wake_.notify_one();
    }
    return true;
  }
  // Returns when the member will not touch the work any more.
  void TakeBack(Shared* work) {
    uintptr_t posted = Posted(work);
    if (box_.compare_exchange_strong(posted, 0)) return;
    for (int64_t turn = 1; box_.load() == Taken(work); turn++) Pause(turn);
  }

 private:
  static constexpr auto kLooking = std::chrono::microseconds(300);

  static uintptr_t Posted(Shared* work) { return reinterpret_cast<uintptr_t>(work); }
  static uintptr_t Taken(Shared* work) { return Posted(work) | 1; }
  static void Pause(int64_t turn) {
    if (turn % 64 == 0) std::this_thread::yield();
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }

  // Moves the member away from a core where its caller works now. The system would leave both there for up to a tenth
  // of a second, with another core idle, each time that a program begins on another thread.
  void KeepOff(int core) {
#if defined(__linux__)
    if (core < 0 || core_.load(std::memory_order_relaxed) != core || getpid() != process_) return;
    core_.store(-1, std::memory_order_relaxed);
    cpu_set_t others;  // of the cores that the caller may use, as they are now
    if (pthread_getaffinity_np(pthread_self(), sizeof(others), &others)) return;
    CPU_CLR(core, &others);
    if (CPU_COUNT(&others)) pthread_setaffinity_np(handle_, sizeof(others), &others);
#else
    static_cast<void>(core);
#endif
  }

  [[noreturn]] void Live() {
    for (;;) {
      uintptr_t posted = Next();
      auto* work = reinterpret_cast<Shared*>(posted);
      if (!box_.compare_exchange_strong(posted, Taken(work))) continue;
      core_.store(CoreNow(), std::memory_order_relaxed);
      work->Work(own_);
      box_.store(0);
    }
  }
  uintptr_t Next() {
    const auto until = std::chrono::steady_clock::now() + kLooking;
    for (int64_t turn = 1; turn % 256 || std::chrono::steady_clock::now() < until; turn++) {
      if (const uintptr_t posted = box_.load(std::memory_order_acquire)) return posted;
      if (turn % 64 == 0) core_.store(CoreNow(), std::memory_order_relaxed);
      Pause(turn);
    }
    std::unique_lock<std::mutex> lock(mutex_);
    asleep_.store(true);
    wake_.wait(lock, [this] { return box_.load() != 0; });
    asleep_.store(false);
    return box_.load();
  }

  const int64_t own_;
  std::atomic<uintptr_t> box_{0};
  std::atomic<bool> asleep_{false};
  std::atomic<int> core_{-1};  // on which it was seen last; -1 after a move
#if defined(__linux__)
  const pid_t process_ = getpid();  // a forked one has no such thread
#endif
  std::mutex mutex_;
  std::condition_variable wake_;
  std::thread::native_handle_type handle_;
};

// Returns `count` members. They live as long as the process: ending them would wait for the work of others.
inline std::vector<Member*> Members(int64_t count) {
  static std::mutex mutex;
  static auto* const all = new std::vector<std::unique_ptr<Member>>;
  const std::lock_guard<std::mutex> guard(mutex);
  while (static_cast<int64_t>(all->size()) < count) all->push_back(std::make_unique<Member>(all->size() + 1));
  std::vector<Member*> some;
  for (int64_t each = 0; each < count; each++) some.push_back((*all)[each].get());
  return some;
}

// Into how many shares some work is divided: one for each thread, and none that is empty.
inline int64_t SharesOf(int64_t count, int64_t threads) {
  return std::clamp<int64_t>(std::min(count, threads), 1, kMostShares);
}

// Calls `body(share, first, last)` for each share of `count` images, blocks or rows, on this and other threads.
template <class Body>
void InShares(int64_t count, int64_t threads, Body body) {
  const int64_t shares = SharesOf(count, threads);
  const std::function<void(int64_t)> of_share = [&](int64_t share) {
    body(share, count * share / shares, count * (share + 1) / shares);
  };
  Shared work(shares, of_share);
  std::vector<Member*> helping;
  const int core = shares > 1 ? CoreNow() : -1;
  if (shares > 1)
    for (Member* member : Members(shares - 1))
      if (member->Offer(&work, core)) helping.push_back(member);
  work.Work(0);
  for (Member* member : helping) member->TakeBack(&work);
  work.Rethrow();
}

}  // namespace jaxdl
