# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
# Fish completion for pinleak. tests/options holds it to `pinleak COMMAND --help`.

complete -c pinleak -f

complete -c pinleak -n __fish_use_subcommand -l help -d 'The commands'
complete -c pinleak -n __fish_use_subcommand -l version -d 'The version'
complete -c pinleak -n __fish_use_subcommand -a watch -d 'Watch for leaks; track and name the driver'
complete -c pinleak -n __fish_use_subcommand -a run -d 'Run a command, and fail when a driver leaks'
complete -c pinleak -n __fish_use_subcommand -a census -d 'Find every page that is pinned now'
complete -c pinleak -n __fish_use_subcommand -a record -d 'Watch, and keep what is seen in a file'
complete -c pinleak -n __fish_use_subcommand -a replay -d 'Show what a recording shows'
complete -c pinleak -n __fish_use_subcommand -a doctor -d 'What this machine permits, what will be hooked'
complete -c pinleak -n __fish_use_subcommand -a explain -d 'What an error number means and what to do'

set -l watch '__fish_seen_subcommand_from watch record'
complete -c pinleak -n $watch -l interval -x -d 'Between two looks at the counters [1s]'
complete -c pinleak -n $watch -l for -x -d 'End after so long'
complete -c pinleak -n $watch -l track -x -a 'auto\t"when pins do not come back" always\t"from the beginning" never\t"counters only"' -d 'When to track [auto]'
complete -c pinleak -n $watch -l level -x -a 'light\t"a hook a call" deep\t"a hook a pin"' -d 'Level that tracking begins with [light]'
complete -c pinleak -n $watch -l grace -x -d 'How long a driver may take to release [30s]'
complete -c pinleak -n $watch -l settle -x -d 'Tracking goes off when nothing is new [60s]'
complete -c pinleak -n $watch -l references -x -d 'Between two looks for plain references [10m]'
complete -c pinleak -n $watch -l detect -x -d 'When a rise is suspicious: share=,pins=,fall=,hunts=,pause='
complete -c pinleak -n $watch -l table-size -x -d 'Folios to keep records of'
complete -c pinleak -n $watch -l json -d 'One JSON object a line, samples too'
complete -c pinleak -n $watch -l samples -d 'Print every sample'
complete -c pinleak -n $watch -l omit-hook -x -d 'Leave a hook out, to see that the audit notices'
complete -c pinleak -n $watch -l help -d 'What it does, with examples'

set -l run '__fish_seen_subcommand_from run'
complete -c pinleak -n $run -l grace -x -d 'How long a driver may take to release [2s]'
complete -c pinleak -n $run -l level -x -a 'light\t"a hook a call" deep\t"a hook a pin"' -d 'Level of tracking'
complete -c pinleak -n $run -l references -d 'Also find plain references that are left behind'
complete -c pinleak -n $run -l allow -x -d 'Tolerate so many leaked pins of a driver'
complete -c pinleak -n $run -l error-exitcode -x -d 'Exit status when a driver leaks [99]'
complete -c pinleak -n $run -l json -d 'One JSON object a line'
complete -c pinleak -n $run -l output -r -F -d 'Report there instead of standard error'
complete -c pinleak -n $run -l junit -r -F -d 'Also write JUnit XML there'
complete -c pinleak -n $run -l quiet -d 'Say nothing unless a driver leaks'
complete -c pinleak -n $run -l table-size -x -d 'Folios to keep records of'
complete -c pinleak -n $run -l omit-hook -x -d 'Leave a hook out, to see that the audit notices'
complete -c pinleak -n $run -l help -d 'What it does, with examples'
complete -c pinleak -n $run -a '(__fish_complete_subcommand --fcs-skip=2)'

set -l census '__fish_seen_subcommand_from census'
complete -c pinleak -n $census -l by -x -a 'driver\t"that pinned" site\t"function through which it pinned" process\t"that has it mapped" object\t"file or kind of memory" mapping\t"process and object, with addresses" cgroup\t"charged for it" size\t"of the folio" node\t"of NUMA" zone\t"of memory"' -d 'One table only, and all of it'
complete -c pinleak -n $census -l pid -x -a '(__fish_complete_pids)' -d 'Only what this process has mapped'
complete -c pinleak -n $census -l folios -d 'Each pinned folio, one JSON object a line'
complete -c pinleak -n $census -l verify -d 'Compare the records of the pinleak that tracks with the page structures'
complete -c pinleak -n $census -l grace -x -d 'Between two looks at what nobody maps [2s]'
complete -c pinleak -n $census -l fail -d 'Exit with 1 when something is found to be leaked'
complete -c pinleak -n $census -l json -d 'One JSON object'
complete -c pinleak -n $census -l help -d 'What it does, with examples'

set -l record '__fish_seen_subcommand_from record'
complete -c pinleak -n $record -F

set -l replay '__fish_seen_subcommand_from replay'
complete -c pinleak -n $replay -l json -d 'One JSON object a line'
complete -c pinleak -n $replay -l samples -d 'Print every sample'
complete -c pinleak -n $replay -l help -d 'What it does, with examples'
complete -c pinleak -n $replay -F

set -l doctor '__fish_seen_subcommand_from doctor'
complete -c pinleak -n $doctor -l btf -r -F -d 'Plan for the kernel of this BTF'
complete -c pinleak -n $doctor -l json -d 'One JSON object'
complete -c pinleak -n $doctor -l omit-hook -x -d 'Leave a hook out, to see that the audit notices'
complete -c pinleak -n $doctor -l help -d 'What it does, with examples'

set -l explain '__fish_seen_subcommand_from explain'
complete -c pinleak -n $explain -l help -d 'What it does, with examples'
complete -c pinleak -n $explain -a '2 87 122 729 0x2 0x57 0x7A 0x2D9 0x76 0xCB 0xD9'
complete -c pinleak -n $explain -a 'ERROR_FILE_NOT_FOUND ERROR_INVALID_PARAMETER'
complete -c pinleak -n $explain -a 'ERROR_INSUFFICIENT_BUFFER ERROR_DRIVERS_LEAKING_LOCKED_PAGES'
complete -c pinleak -n $explain -a 'PROCESS_HAS_LOCKED_PAGES DRIVER_LEFT_LOCKED_PAGES_IN_PROCESS'
complete -c pinleak -n $explain -a LOCKED_PAGES_TRACKER_CORRUPTION
