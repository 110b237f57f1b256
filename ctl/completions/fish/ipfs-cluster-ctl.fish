# fish completion for ipfs-cluster-ctl(1)

function __ipfs_cluster_ctl_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] complete $words[2..-1] "$current" 2>/dev/null)
        if test "$line" = ':files'
            set -l flag (string match -r '^-[^=]*=' -- "$current"; or echo)
            for path in (__fish_complete_path (string replace -- "$flag" '' "$current"))
                echo $flag$path
            end
            return
        end
        echo $line
    end
end

complete -c ipfs-cluster-ctl -f -k -a '(__ipfs_cluster_ctl_complete)'
