#!/bin/sh
# Take a picture of the window with the list of its keys, on a virtual display. Needs xvfb-run, openbox, xdotool and
# ImageMagick.
#
#   tools/window.sh EMOTION_CAM PICTURE OUT    the program, the picture it shows, and the file to write
set -eu
if [ -z "${IN_XVFB:-}" ]; then
    IN_XVFB=yes exec xvfb-run --auto-servernum --server-args "-screen 0 1280x960x24" "$0" "$@"
fi
openbox 2> /dev/null &
manager=$!
"$1" --image "$2" > /dev/null &
window=$(xdotool search --sync --onlyvisible --name '^emotion-cam$')
sleep 2
xdotool key --window "$window" h
sleep 1
import -frame -window "$window" -quality 92 "$3"
xdotool key --window "$window" q
wait $!
kill $manager
wait $manager || true
