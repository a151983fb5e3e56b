// One thread at a time in an interpreter, and none in one whose threads a fork() left behind.
//
// The GIL keeps calls apart that hold it. Only a computation gives it up, so only a computation is
// marked, and calls of other threads wait for its end, each in its turn. No thread waits for the GIL
// while it computes, and none has the GIL while it waits: CPython may end a thread at the GIL while
// the program exits, and nobody waits for that thread.
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
  // for their end, or another thread computes, which a fork() may have left behind.
  bool Abandoned() const { return Orphaned() || Busy(); }

  // Waits until no other thread computes and all that came before have had their turn. The GIL is
  // held, and again at the end; a call of the thread that computes goes on.
  //
  // Throws std::runtime_error if there will be no turn in this process.
  void Enter() {
    if (fork_seen_ != forks) SettleInChild();
    if (!Busy() && (first_ == last_ || depth_ != 0)) return;
    const unsigned ticket = last_++;
    do {
      // Threads that the end of the program has stopped do not come for their turn.
      const bool ordered = !IsFinalizing();
      PyThreadState* thread = PyEval_SaveThread();
      pthread_mutex_lock(&mutex_);
      while (Busy() || (ordered && first_ != ticket)) pthread_cond_wait(&changed_, &mutex_);
      pthread_mutex_unlock(&mutex_);
      PyEval_RestoreThread(thread);
    } while (Busy());
    pthread_mutex_lock(&mutex_);
    first_ = ticket + 1;
    pthread_cond_broadcast(&changed_);
    pthread_mutex_unlock(&mutex_);
  }

  // Runs work() without the GIL and rethrows what it threw; after Enter().
  template <typename Work>
  void Compute(const Work& work) {
    std::exception_ptr failure;
    owner_ = pthread_self();
    ++depth_;
    PyThreadState* thread = PyEval_SaveThread();
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
    }
    pthread_mutex_lock(&mutex_);
    --depth_;
    pthread_cond_broadcast(&changed_);
    pthread_mutex_unlock(&mutex_);
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

  // Whether another thread computes.
  bool Busy() const { return depth_ != 0 && !pthread_equal(owner_, pthread_self()); }

  // Of the parent's threads the child has only the one that forked.
  void SettleInChild() {
    if (Orphaned()) {
      throw std::runtime_error(
          "This interpreter was made before fork(), and its threads are in the parent process. Make "
          "the interpreter after the fork, or with num_threads=1.");
    }
    if (Busy()) {
      throw std::runtime_error(
          "Another thread was using this interpreter when the process forked. Make the interpreter "
          "after the fork.");
    }
    mutex_ = PTHREAD_MUTEX_INITIALIZER;
    changed_ = PTHREAD_COND_INITIALIZER;
    first_ = last_.load();
    fork_seen_ = forks;
  }

  const unsigned forks_;
  unsigned fork_seen_ = forks_;
  std::atomic<bool> threaded_{false};
  // The computing thread, and how many computations of it lie in one another.
  std::atomic<pthread_t> owner_{};
  std::atomic<int> depth_{0};
  // The tickets of those who wait: the next to have its turn, and the next to be given out.
  std::atomic<unsigned> first_{0}, last_{0};
  // Not C++'s own: their end could wait for threads that a child process does not have.
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t changed_ = PTHREAD_COND_INITIALIZER;
};

}  // namespace tflite_wheelhouse

#endif  // TFLITE_WHEELHOUSE_NATIVE_MONITOR_H_
