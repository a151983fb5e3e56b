// Lets unwinders other than the one linked in here pass through this library.
//
// CPython before 3.14 ends a thread that asks for the GIL while the program exits with
// pthread_exit(), and glibc then unwinds the thread's stack with libgcc_s. For each frame of this
// library that asks the library's own personality routine, which would read libgcc_s's context as
// if it were LLVM's, and crash. Such frames are passed over instead: no destructor runs and no
// `catch (...)` holds the thread up.
//
// The linker puts this routine before the real one (--wrap).
#include <unwind.h>

#include <cstdint>

extern "C" {

_Unwind_Reason_Code __real___gxx_personality_v0(int, _Unwind_Action, uint64_t, _Unwind_Exception*,
                                                _Unwind_Context*);

_Unwind_Reason_Code __wrap___gxx_personality_v0(int version, _Unwind_Action actions,
                                                uint64_t exception_class,
                                                _Unwind_Exception* exception,
                                                _Unwind_Context* context) {
  // libc++abi's exceptions, thrown by this library alone: "CLNGC++" and a last byte of its own.
  constexpr uint64_t kOurs = 0x434C4E47432B2B00;
  if ((exception_class & ~uint64_t{0xFF}) != kOurs) return _URC_CONTINUE_UNWIND;
  return __real___gxx_personality_v0(version, actions, exception_class, exception, context);
}

}  // extern "C"
