// One thread at a time in an interpreter, and none in one whose threads a fork() left behind.
//
// No thread waits for the GIL while it is inside: a thread that waits for its turn gives the GIL up
// first, and one that computes without the GIL leaves before it takes the GIL again. So CPython may
// end a thread at the GIL while the program exits, and nobody waits for that thread.
#ifndef TFLITE_WHEELHOUSE_NATIVE_MONITOR_H_
#define TFLITE_WHEELHOUSE_NATIVE_MONITOR_H_

#include <Python.h>
#include <pthread.h>

#include <atomic>
#include <exception>
#include <stdexcept>

namespace tflite_wheelhouse {

// How many forks lie between this process and the one that loaded the module.
inline std::atomic<unsigned> forks{0};

class Monitor {
 public:
  Monitor() : forks_(Forks()) {}

  // That the interpreter has threads of its own, which no child process inherits.
  void SetThreaded(bool threaded) { threaded_ = threaded; }

  // Whether it is not to be destroyed: its threads are in another process, so that nobody can wait
  // for their end, or a thread that the end of the program or a fork() stopped is inside.
  bool Abandoned() { return Orphaned() || HeldByAnother(); }

  // Waits for a turn. The GIL is held; the thread that is inside may enter again.
  //
  // Throws std::runtime_error if there will be no turn in this process.
  void Enter() {
    if (fork_seen_ != forks) SettleInChild();
    while (!TryEnter()) {
      if (!computing_ && IsFinalizing()) {
        throw std::runtime_error(
            "Another thread was using this interpreter when the program ended.");
      }
      PyThreadState* thread = PyEval_SaveThread();
      pthread_mutex_lock(&mutex_);
      while (depth_ != 0) pthread_cond_wait(&left_, &mutex_);
      pthread_mutex_unlock(&mutex_);
      PyEval_RestoreThread(thread);
    }
  }

  void Leave(bool computed = false) {
    pthread_mutex_lock(&mutex_);
    if (computed) --computing_;
    if (--depth_ == 0) pthread_cond_broadcast(&left_);
    pthread_mutex_unlock(&mutex_);
  }

  // Runs work() without the GIL, leaves, and rethrows what work() threw.
  template <typename Work>
  void LeaveAfter(const Work& work) {
    std::exception_ptr failure;
    PyThreadState* thread = PyEval_SaveThread();
    ++computing_;
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
    }
    Leave(/*computed=*/true);
    PyEval_RestoreThread(thread);
    if (failure) std::rethrow_exception(failure);
  }

 private:
  static unsigned Forks() {
    static const int registered = pthread_atfork(nullptr, nullptr, [] { ++forks; });
    (void)registered;
    return forks;
  }

  static bool IsFinalizing() {
    PyObject* function = PySys_GetObject("is_finalizing");
    PyObject* answer = function ? PyObject_CallObject(function, nullptr) : nullptr;
    const bool finalizing = !answer || answer == Py_True;
    Py_XDECREF(answer);
    PyErr_Clear();
    return finalizing;
  }

  bool Orphaned() const { return threaded_ && forks_ != forks; }

  bool HeldByAnother() const { return depth_ != 0 && !pthread_equal(owner_, pthread_self()); }

  bool TryEnter() {
    pthread_mutex_lock(&mutex_);
    const bool mine = !HeldByAnother();
    if (mine) {
      owner_ = pthread_self();
      ++depth_;
    }
    pthread_mutex_unlock(&mutex_);
    return mine;
  }

  // Of the parent's threads the child has only the one that forked.
  void SettleInChild() {
    if (Orphaned()) {
      throw std::runtime_error(
          "This interpreter was made before fork(), and its threads are in the parent process. Make "
          "the interpreter after the fork, or with num_threads=1.");
    }
    if (HeldByAnother()) {
      throw std::runtime_error(
          "Another thread was using this interpreter when the process forked. Make the interpreter "
          "after the fork.");
    }
    mutex_ = PTHREAD_MUTEX_INITIALIZER;
    left_ = PTHREAD_COND_INITIALIZER;
    fork_seen_ = forks;
  }

  const unsigned forks_;
  unsigned fork_seen_ = forks_;
  std::atomic<bool> threaded_{false};
  std::atomic<int> computing_{0}, depth_{0};
  std::atomic<pthread_t> owner_{};
  // Not C++'s own: their end could wait for threads that a child process does not have.
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t left_ = PTHREAD_COND_INITIALIZER;
};

// A turn at an interpreter, until the end of a block or until the work that it is for is done.
class Turn {
 public:
  explicit Turn(Monitor& monitor) : monitor_(&monitor) { monitor.Enter(); }
  Turn(const Turn&) = delete;
  ~Turn() {
    if (monitor_) monitor_->Leave();
  }

  // Ends the turn as Monitor::LeaveAfter does.
  template <typename Work>
  void EndAfter(const Work& work) {
    Monitor* monitor = monitor_;
    monitor_ = nullptr;
    monitor->LeaveAfter(work);
  }

 private:
  Monitor* monitor_;
};

}  // namespace tflite_wheelhouse

#endif  // TFLITE_WHEELHOUSE_NATIVE_MONITOR_H_
